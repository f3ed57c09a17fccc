#include "criteria/relevance/weight_x_gradient.h"

#include <cmath>
#include <cstddef>

#include "criteria/relevance/gradient.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return gradient_criterion.needs(preset); }

void finish(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float> w, double samples) {
  gradient_criterion.finish(preset, phi, sum, w, samples);
  for (std::size_t i = 0; i < phi.size(); ++i) {
    const double weight = w[i];
    phi[i] *= preset == PresetId::paper ? weight : std::abs(weight);
  }
}

}  // namespace

constinit const Criterion weight_x_gradient_criterion = {
    "weight-x-gradient", {"w E[g]", "|w| sqrt(E[g^2])"}, "SAfER eq. 6; Shrikumar et al. 2016", "1 (F + B)", needs, finish};

}  // namespace safer
