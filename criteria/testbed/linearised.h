#pragma once

#include <span>
#include <vector>

#include "criteria/damage.h"
#include "models/network.h"
#include "models/perturbation.h"

namespace safer {

/// The damage that noise on the weights of each layer does, predicted to first order by what knows the noise. With J the derivative
/// of a sample's outputs (logits or probabilities) by the layer's weights W, and noise eps of mean mu and independent entries of
/// variance nu,
///     E |J eps|^2 = sum_i nu_i |J_i|^2 + |J mu|^2,
/// where J_i is the column of weight i:
///     zero      nu = p (1 - p) w^2,  mu = -p w
///     gaussian  nu = (p M)^2,        mu = 0
///     impulse   nu = p (1 - p) a^2,  mu = p a,  averaged over the one height a of a draw, uniform in (0, M]: a^2 is M^2 / 3
///     rounding  nu = 0,              mu = Q(W) - W,  the very error that it makes, Q(W) being the rounded weights
/// at level p; M is the layer's largest |weight|. The result is the mean of the root over samples and levels, by layer.
///
/// Networks with up to 16 outputs have J computed row by row, one reverse sweep each; for others, 16 sweeps with random signs on
/// the outputs estimate the squares. Throws Error when inputs do not fit, the damage is that of accuracy, which has no derivative,
/// or the network has no per-sample gradients.
std::vector<double> linearised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise,
                                      std::span<const double> levels, Damage damage);

}  // namespace safer
