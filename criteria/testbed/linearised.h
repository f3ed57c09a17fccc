#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "criteria/damage.h"
#include "models/network.h"
#include "models/perturbation.h"

namespace safer {

/// A noise, and where its random numbers come from.
struct SeededNoise {
  Noise noise = Noise::zero;
  std::uint64_t seed = 0;
};

/// The damage that noise on the weights of each layer does, predicted by what knows the noise, from a network that is linear in
/// each layer's weights up to its logits: z + J eps, where J is the derivative of a sample's logits by the layer's n weights W, and
/// eps what the noise adds to them at level p. With J_i the column of weight i and M the layer's largest |weight|,
///     zero      J eps = -sum of w_i J_i over the weights that are hit, each with probability p
///     impulse   J eps = a sum of J_i over those, a uniform in (0, M]
///     gaussian  J eps normal with the covariance (p M)^2 J J'
///     rounding  J eps = J (Q(W) - W), Q(W) being the rounded weights
/// A mean distance, unlike a mean square, depends on more than the variance of the noise: where few weights are hit there are many
/// draws without any damage. So J eps is drawn for each sample by itself, which costs next to nothing: sums over hit weights are
/// those of neighbours in a random order, 16 or fewer for each number of hits (HitCurve); normal ones are drawn 16 times a level.
///
/// The result is the mean over samples, draws and levels, by noise and layer; accuracy is that of the network's own answers. One
/// forward and one reverse sweep for each logit and layer, whatever the number of noises; memory: 16 MiB for a layer's J, more
/// where that of one sample is larger. Throws Error when inputs do not fit, there are none, or the network has more than 16 logits
/// or no per-sample gradients.
std::vector<std::vector<Damages>> linearised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs,
                                                    std::span<const SeededNoise> noises, std::span<const double> levels);

}  // namespace safer
