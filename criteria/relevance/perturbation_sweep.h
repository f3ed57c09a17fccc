#pragma once

#include <cstdint>

#include "criteria/relevance/probe.h"

namespace safer {

/// So many samples see one draw of noise.
constexpr std::int64_t perturbation_chunk = 16;

/// Runs the network while one layer at a time is changed in two ways, at s = the middles of equal steps from 0 to 1: its weights W
/// shrink to s W, or get normal noise of deviation s max |W|, another one for each chunk of samples. For each way a layer gets the
/// distance (L2) of the probabilities from those of the whole network, summed over samples and steps: first those of all layers of
/// a weight tensor that shrink, then those that have noise.
void sweep_perturbation(const SweepContext& context);

}  // namespace safer
