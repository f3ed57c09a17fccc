#pragma once

#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

struct LayerNormOptions {
  int axes = 1;  // how many of the last axes are normalised together
  double epsilon = 1e-5;
};

/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and (biased) variance over the last `axes` axes of x, for
/// each place on the others by itself (Ba, Kiros & Hinton 2016). gamma, beta: those axes' shape, shared by all samples; either may
/// be left out (1 and 0). Throws Error when the shapes do not fit or the batch axis is among the normalised ones.
Var layer_norm(Var x, Var gamma = {}, Var beta = {}, LayerNormOptions options = {}, std::string_view name = {});

}  // namespace safer
