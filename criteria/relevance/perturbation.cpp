#include "criteria/relevance/perturbation.h"

#include <cmath>
#include <cstddef>

#include "criteria/relevance/ablation.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return ablation_criterion.needs(preset); }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double count) {
  const std::span<const double> dropped = sum.first(phi.size()), noisy = sum.subspan(phi.size());
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = std::cbrt(dropped[i] * dropped[i] * noisy[i]) / count;
}

}  // namespace

constinit const Criterion perturbation_criterion = {
    "perturbation",
    {"(A^2 E |p(W + s max|W| n) - p(W)|)^(1/3)", "(A^2 E |p(W + s max|W| n) - p(W)|)^(1/3)"},
    "docs/default-criterion.md",
    "8 F a layer, from there on",
    needs,
    finish};

}  // namespace safer
