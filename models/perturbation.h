#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/parameters.h"
#include "engine/tape/tape.h"

namespace safer {

/// The three noises of SAfER, section 3.1, put on the weights of one layer or on its activations, and rounding, which is not
/// random.
enum class Noise { zero, gaussian, impulse, rounding };
constexpr std::array<std::string_view, 4> noise_names = {"zero", "gaussian", "impulse", "rounding"};

enum class Sign { positive, random };

/// An array [outer, neurons, inner] and which of its neurons are meant: a weight along its output axis, or an activation.
struct NeuronView {
  std::int64_t outer = 1, neurons = 1, inner = 1;
  Range range;
};
/// A layer's part of its weight tensor.
NeuronView weight_view(const Shape& shape, const Layer& layer);

/// The view's elements as runs of neighbours in its array: f(first, count).
template <class F>
void each_run(const NeuronView& view, const F& f) {
  if (view.range.size() == view.neurons) return f(std::int64_t{0}, view.outer * view.neurons * view.inner);
  for (std::int64_t outer = 0; outer < view.outer; ++outer)
    f((outer * view.neurons + view.range.begin) * view.inner, view.range.size() * view.inner);
}

/// One draw of noise. `level` in 0..1: zero a fraction `level` of the elements, or of the neurons; add normal noise of deviation
/// level x unit; add to a fraction `level` an impulse of one height, uniform in (0, unit]; round each element to the nearest
/// multiple of level x unit, of two to the even one. A symmetric grid of b bits rounds at level 1 / (2^(b-1) - 1).
struct NoiseDraw {
  Noise noise = Noise::zero;
  double level = 0;
  double unit = 0;             // M of the paper
  bool whole_neurons = false;  // zero only: a neuron goes with all its elements, over all of outer and inner
  std::uint64_t key = 0;       // the numbers are a function of it and of the element's place in its array
};
/// Puts it on an array, in place; allocates nothing. `values` must be as long as the view says.
void perturb(std::span<float> values, const NeuronView& view, const NoiseDraw& draw);
/// max |x| over the view's elements; NaN does not count.
float largest_magnitude(std::span<const float> values, const NeuronView& view);

// The next ones return the parameters with one layer's tensor changed and all others shared.

/// Sets each weight to zero with probability `fraction`.
Parameters with_zeros(const Parameters& parameters, const Layer& layer, double fraction, std::uint64_t key);
/// Adds a normal number of deviation `sigma` to each weight.
Parameters with_gaussian(const Parameters& parameters, const Layer& layer, double sigma, std::uint64_t key);
/// Adds `amplitude`, with a random sign if wanted, to each weight with probability `fraction`.
Parameters with_impulses(const Parameters& parameters, const Layer& layer, double fraction, double amplitude, std::uint64_t key,
                         Sign sign = Sign::positive);

/// M, the unit of noise: the largest |w| of the layer.
double largest_weight(const Parameters& parameters, const Layer& layer);
/// One draw of `noise` at a level in [0, 1], with M as the unit: see NoiseDraw. All throw Error for a level, fraction or deviation
/// that makes no sense and for parameters that are not f32.
Parameters perturbed(const Parameters& parameters, const Layer& layer, Noise noise, double level, std::uint64_t key);

}  // namespace safer
