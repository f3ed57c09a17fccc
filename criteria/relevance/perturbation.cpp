#include "criteria/relevance/perturbation.h"

#include <cmath>
#include <string_view>
#include <vector>

#include "criteria/relevance/ablation.h"
#include "criteria/relevance/perturbation_sweep.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return ablation_criterion.needs(preset); }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  std::vector<double> noisy(phi.size()), hit(phi.size());
  mean_distances(Change::drop, sum, samples, phi);
  mean_distances(Change::noise, sum, samples, noisy);
  mean_distances(Change::impulses, sum, samples, hit);
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = std::pow(phi[i], 0.6) * std::pow(noisy[i], 0.35) * std::pow(hit[i], 0.05);
}

constexpr std::string_view formula = "(A^12 G^7 I)^(1/20), G and I like A with W + s max|W| n and W + h (1 - b) for b W";

}  // namespace

constinit const Criterion perturbation_criterion = {
    "perturbation", {formula, formula}, "docs/default-criterion.md", "12 F a layer, from there on", needs, finish};

}  // namespace safer
