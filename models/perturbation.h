#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/parameters.h"
#include "engine/tape/tape.h"

namespace safer {

/// The three noises of SAfER, section 3.1, put on the weights of one layer. Each returns the parameters with that layer's tensor
/// changed and all others shared. The numbers are a function of `key` and the element's place in its tensor.
enum class Noise { zero, gaussian, impulse };
constexpr std::array<std::string_view, 3> noise_names = {"zero", "gaussian", "impulse"};

enum class Sign { positive, random };

/// Sets each weight to zero with probability `fraction`.
Parameters with_zeros(const Parameters& parameters, const Layer& layer, double fraction, std::uint64_t key);
/// Adds a normal number of deviation `sigma` to each weight.
Parameters with_gaussian(const Parameters& parameters, const Layer& layer, double sigma, std::uint64_t key);
/// Adds `amplitude`, with a random sign if wanted, to each weight with probability `fraction`.
Parameters with_impulses(const Parameters& parameters, const Layer& layer, double fraction, double amplitude, std::uint64_t key,
                         Sign sign = Sign::positive);

/// M, the unit of noise: the largest |w| of the layer.
double largest_weight(const Parameters& parameters, const Layer& layer);
/// One draw of `noise` at a level in [0, 1]: zero a fraction `level`; add normal noise of deviation level M; add to a fraction
/// `level` an impulse of one height, uniform in (0, M]. All throw Error for a level, fraction or deviation that makes no sense
/// and for parameters that are not f32.
Parameters perturbed(const Parameters& parameters, const Layer& layer, Noise noise, double level, std::uint64_t key);

}  // namespace safer
