#pragma once

#include <cstdint>

#include "criteria/relevance/probe.h"

namespace safer {

/// So many samples see one draw of noise.
constexpr std::int64_t perturbation_chunk = 8;

/// The ways in which a layer with the weights W is changed, by a strength s in (0, 1).
enum class Change {
  drop,   // each weight is set to 0 with probability s
  noise,  // normal, of deviation s max |W|
};
constexpr int change_count = 2;

/// Runs the network while one layer at a time is changed in each way, at s = the middles of equal steps from 0 to 1, with another
/// draw of what is random for each chunk of samples. For each way a layer gets the distance (L2) of the probabilities from those
/// of the whole network, summed over samples and steps: first those of all layers of a weight tensor for the first Change, then
/// those for the second.
void sweep_perturbation(const SweepContext& context);

}  // namespace safer
