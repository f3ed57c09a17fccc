#include "criteria/relevance/weight_x_jacobian.h"

#include <cmath>
#include <cstddef>

#include "criteria/relevance/fold.h"

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::probabilities, true, fold_gradient_square}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float> w, double samples) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = std::abs(double{w[i]}) * std::sqrt(sum[i] / samples);
}

}  // namespace

constinit const Criterion weight_x_jacobian_criterion = {"weight-x-jacobian",
                                                         {"|w| sqrt(E |dp/dw|^2)", "|w| sqrt(E |dp/dw|^2)"},
                                                         "docs/default-criterion.md",
                                                         "F + min(classes, 16) B",
                                                         needs,
                                                         finish};

}  // namespace safer
