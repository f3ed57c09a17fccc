#pragma once

#include <cstdint>

#include "criteria/relevance/probe.h"

namespace safer {

/// Probe::noise: gradients at W + N(0, (noise (max W - min W))^2), all weight tensors at once, the same draws for all criteria and
/// samples. Where a need folds, its gradients are summed over draws and samples. Else it is given the moments over draws of the
/// gradient of the mean target: [mean, sum of squared deviations], each as long as the weight.
void sweep_noise(const SweepContext& context);

/// out[i] = weights[i] with the noise of this draw, which is a function of the seed, the name, the draw and i.
void add_noise(std::span<float> out, std::span<const float> weights, double noise, std::string_view name, std::uint64_t seed,
               int draw);

}  // namespace safer
