#pragma once

#include <cstdint>

#include "criteria/relevance/probe.h"

namespace safer {

/// So many samples see one draw of noise.
constexpr std::int64_t perturbation_chunk = 4;

/// The ways in which a layer with the weights W is changed, by a strength s in (0, 1).
enum class Change {
  drop,      // each weight is set to 0 with probability s
  noise,     // normal, of deviation s max |W|
  impulses,  // of one height, uniform in (0, max |W|], added to each weight with probability s
};
constexpr int change_count = 3;

/// Runs the network while one layer at a time is changed in each way, at s = the middles of equal steps from 0 to 1, with another
/// draw of what is random for each chunk of samples. A weight tensor gets [change, step, layer of the tensor]: the distance (L2) of
/// the probabilities from those of the whole network, summed over samples.
void sweep_perturbation(const SweepContext& context);

/// phi[layer] = (mean over steps of sqrt(distance))^2 for one of the ways, from what sweep_perturbation has summed for a weight
/// tensor: in a plain mean the large distances of large strengths would outweigh all others.
void mean_distances(Change way, std::span<const double> sum, double samples, std::span<double> phi);

}  // namespace safer
