#include "criteria/relevance/ablation.h"

#include "criteria/relevance/perturbation_sweep.h"

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::perturbation, false, nullptr}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  mean_distances(Change::drop, sum, samples, phi);
}

}  // namespace

constinit const Criterion ablation_criterion = {
    "ablation",
    {"A = (E_s (E |p(b W) - p(W)|)^(1/2))^2, P(b = 0) = s", "A = (E_s (E |p(b W) - p(W)|)^(1/2))^2, P(b = 0) = s"},
    "docs/default-criterion.md",
    "12 F a layer, from there on",
    needs,
    finish};

}  // namespace safer
