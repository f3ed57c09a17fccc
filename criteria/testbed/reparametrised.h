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
/// numbers whose mean and covariance are known (the local reparametrisation of Kingma, Salimans and Welling 2015). For one neuron,
/// with the inputs h and g at two places of a sample, level p and largest weight M:
///     zero      mean -p w.h,      covariance p (1 - p) sum_i w_i^2 h_i g_i
///     gaussian  mean 0,           covariance (p M)^2 h.g
///     impulse   mean p a sum h,   covariance p (1 - p) a^2 h.g,   a uniform in (0, M] for each sample
/// Normal numbers with these are added to z, those of every sample its own: a replay averages over as many draws as there are
/// samples, where noise on the weights is a single one. Exact for gaussian noise, else as far as sums over inputs are normal.
///
/// The result is the mean over samples, levels and `draws` replays of each, by layer. Throws Error when inputs do not fit, there
/// are none, the noise is rounding, which is not random, or a layer is not read by one linear op at up to 8 places of a sample.
std::vector<Damages> reparametrised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise,
                                           std::span<const double> levels, int draws, std::uint64_t seed);

}  // namespace safer
