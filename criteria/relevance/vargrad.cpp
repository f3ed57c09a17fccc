#include "criteria/relevance/vargrad.h"

#include <cstddef>

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::noise}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double count) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[phi.size() + i] / count;
}

}  // namespace

constinit const Criterion vargrad_criterion = {"vargrad",
                                               {"variance over draws of E[g(W + noise)]", "variance over draws of E[g(W + noise)]"},
                                               "SAfER eq. 10; Adebayo et al. 2018",
                                               "draws (F + B)",
                                               needs,
                                               finish};

}  // namespace safer
