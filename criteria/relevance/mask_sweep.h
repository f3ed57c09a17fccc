#pragma once

#include <cstdint>
#include <string_view>

#include "criteria/relevance/probe.h"

namespace safer {

/// Probe::masks: sums over samples of HSIC (hsic.h) between each output neuron's presence and the target.
void sweep_masks(const SweepContext& context);

/// The share of the masks in which a neuron is kept, where those of one layer are masked, or of all.
constexpr double kept_of_layer = 0.5, kept_of_all = 0.9;
/// The key of the design for the weight tensor of this name; that for all tensors together is called "joint".
std::uint64_t mask_key(std::uint64_t seed, std::string_view name);

}  // namespace safer
