#pragma once

#include "criteria/relevance/probe.h"

namespace safer {

/// Probe::masks: sums over samples of HSIC (hsic.h) between each output neuron's presence and the target. The masks of a weight
/// tensor follow from the seed and its name.
void sweep_masks(const SweepContext& context);

}  // namespace safer
