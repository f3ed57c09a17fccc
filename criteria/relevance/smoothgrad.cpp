#include "criteria/relevance/smoothgrad.h"

#include <cmath>
#include <cstddef>

#include "criteria/relevance/fold.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return {Probe::noise, false, preset == PresetId::paper ? fold_gradient : nullptr}; }

void finish(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float>, double count) {
  const std::size_t n = phi.size();
  for (std::size_t i = 0; i < n; ++i)
    phi[i] = preset == PresetId::paper ? sum[i] / count : std::sqrt(sum[i] * sum[i] + sum[n + i] / count);
}

}  // namespace

constinit const Criterion smoothgrad_criterion = {
    "smoothgrad",
    {"mean over draws of E[g(W + noise)]", "sqrt(mean over draws of E[g(W + noise)]^2)"},
    "SAfER eq. 9; Smilkov et al. 2017",
    "draws (F + B)",
    needs,
    finish};

}  // namespace safer
