#include "criteria/relevance/ablation.h"

#include <cstddef>

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::perturbation, false, nullptr}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double count) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / count;
}

}  // namespace

constinit const Criterion ablation_criterion = {
    "ablation",
    {"A = E |p(b W) - p(W)|, P(b = 0) = s in (0, 1)", "A = E |p(b W) - p(W)|, P(b = 0) = s in (0, 1)"},
    "docs/default-criterion.md",
    "8 F a layer, from there on",
    needs,
    finish};

}  // namespace safer
