#include "criteria/relevance/gig.h"

#include <algorithm>

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::guided_path}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double) {
  std::ranges::copy(sum, phi.begin());
}

}  // namespace

constinit const Criterion gig_criterion = {
    "gig",
    {"sum of E[g] (-dw) from W to 0, small |E[g]| first", "sum of E[g] (-dw) from W to 0, small |E[g]| first"},
    "SAfER, criterion GIG; Kapishnikov et al. 2021, algorithm 1",
    "a layer: steps (F + B) from that layer on; joint: steps (F + B)",
    needs,
    finish};

}  // namespace safer
