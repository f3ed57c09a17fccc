#include "criteria/relevance/gradcampp.h"

#include <cmath>
#include <cstddef>
#include <limits>

namespace safer {
namespace {

constexpr double least_denominator = 1e-6;

/// 1 / (2 + w g) with the guards; NaN for a gradient that is no number, which 1 / infinity would hide.
double share(double w, double g) {
  if (std::abs(g) < std::numeric_limits<float>::min()) return 0;
  if (!std::isfinite(g)) return std::numeric_limits<double>::quiet_NaN();
  const double denominator = 2 + w * g;
  return 1 / (std::abs(denominator) < least_denominator ? std::copysign(least_denominator, denominator) : denominator);
}

void fold_share(double* sum, const float* w, const float* g, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += share(w[i], g[i]);
}

void fold_weighted_share(double* sum, const float* w, const float* g, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += std::abs(double{g[i]}) * share(w[i], g[i]);
}

Needs needs(PresetId preset) { return {Probe::at_weights, true, preset == PresetId::paper ? fold_share : fold_weighted_share}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / samples;
}

}  // namespace

constinit const Criterion gradcampp_criterion = {"gradcam++",
                                                 {"E[1 / (2 + w g)]", "E[|g| / (2 + w g)]"},
                                                 "SAfER eq. 7; Chattopadhay et al. 2018",
                                                 "1 (F + B), each sample's own gradient",
                                                 needs,
                                                 finish};

}  // namespace safer
