#pragma once

#include <cstdint>

#include "engine/parameters.h"

namespace safer {

/// Distribution of initial weights; fan_in and fan_out are the numbers of inputs and outputs of a neuron.
enum class Initialization {
  he_normal,      // variance 2 / fan_in (He et al. 2015)
  glorot_uniform  // between -sqrt(6 / (fan_in + fan_out)) and + that (Glorot & Bengio 2010), as Keras does
};

/// Draws every weight from `distribution`, embeddings from a normal distribution of deviation 0.02; biases, shifts and running
/// means are 0, gains and running variances 1. Each parameter's numbers depend on the seed and its name only, so that layers do
/// not influence each other.
void initialize(Parameters& parameters, Initialization distribution, std::uint64_t seed);

}  // namespace safer
