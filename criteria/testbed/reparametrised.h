#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "criteria/damage.h"
#include "models/network.h"
#include "models/perturbation.h"

namespace safer {

/// The damage that noise on the weights of each linear layer does, predicted by what knows the noise, without a linearisation of
/// the network behind it. A sample's damage is a function of what the layer gives it, z = W h + b, and noise on W moves z by
/// eps h. Each sample gets an eps of its own, so that a replay averages over as many draws as there are samples, where noise on the
/// weights is a single one:
///     zero, impulse  hits of single weights, w h_i or a h_i each, a uniform in (0, M]; at least one is hit, and the damage is
///                    multiplied by the probability of that
///     gaussian       normal numbers of z, with the covariance (p M)^2 h.g for the inputs h and g at two places of the sample (the
///                    local reparametrisation of Kingma, Salimans and Welling 2015)
///     rounding       (Q(W) - W) h with the rounded weights Q(W), which is the same for all samples
/// at level p, M being the layer's largest |weight|. Exact up to the number of draws; rounding has none. Zeros and impulses hit the
/// same weights.
///
/// The result is the mean over samples, levels and `draws` replays of each, by noise and layer. Throws Error when inputs do not
/// fit, there are none, or a layer is not read by one linear op at up to 8 places of a sample.
std::vector<std::vector<Damages>> reparametrised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs,
                                                        std::span<const Noise> noises, std::span<const double> levels, int draws,
                                                        std::uint64_t seed);

}  // namespace safer
