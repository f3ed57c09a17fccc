#include "criteria/relevance/gradient.h"

#include <cmath>
#include <cstddef>

#include "criteria/relevance/fold.h"

namespace safer {
namespace {

Needs needs(PresetId preset) {
  if (preset == PresetId::paper) return {Probe::at_weights, false, fold_gradient};
  return {Probe::at_weights, true, fold_gradient_square};
}

void finish(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / samples;
  if (preset == PresetId::recommended)
    for (double& value : phi) value = std::sqrt(value);
}

}  // namespace

constinit const Criterion gradient_criterion = {
    "gradient", {"E[g]", "sqrt(E[g^2])"}, "SAfER eq. 5; Simonyan et al. 2014", "1 (F + B)", needs, finish};

}  // namespace safer
