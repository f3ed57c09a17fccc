#include "criteria/relevance/perturbation.h"

#include <cmath>
#include <vector>

#include "criteria/relevance/ablation.h"
#include "criteria/relevance/perturbation_sweep.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return ablation_criterion.needs(preset); }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  std::vector<double> noisy(phi.size());
  mean_distances(Change::drop, sum, samples, phi);
  mean_distances(Change::noise, sum, samples, noisy);
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = std::pow(phi[i], 4.0 / 7) * std::pow(noisy[i], 3.0 / 7);
}

}  // namespace

constinit const Criterion perturbation_criterion = {
    "perturbation",
    {"(A^4 G^3)^(1/7), G like A with W + s max|W| n for b W", "(A^4 G^3)^(1/7), G like A with W + s max|W| n for b W"},
    "docs/default-criterion.md",
    "8 F a layer, from there on",
    needs,
    finish};

}  // namespace safer
