#include "criteria/relevance/block_influence.h"

#include <cmath>
#include <cstddef>

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::similarity, false, nullptr}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double) {
  const std::size_t layers = phi.size();
  const std::span<const double> both = sum.first(layers), read = sum.subspan(layers, layers), given = sum.subspan(2 * layers);
  for (std::size_t i = 0; i < layers; ++i) phi[i] = 1 - both[i] / std::sqrt(read[i] * given[i]);
}

}  // namespace

constinit const Criterion block_influence_criterion = {"block-influence",
                                                       {"1 - CKA(read, given)", "1 - CKA(read, given)"},
                                                       "ShortGPT, Men et al. 2024, eq. 1; Kornblith et al. 2019, eq. 4",
                                                       "F",
                                                       needs,
                                                       finish};

}  // namespace safer
