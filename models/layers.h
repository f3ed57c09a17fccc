#pragma once

#include <cstdint>
#include <string_view>

#include "engine/ops/conv.h"
#include "engine/tape/tape.h"

/// Layers with parameters of their own, as networks are put together from them. Each declares its parameters under its name as
/// PyTorch's module of the kind does: weight, bias, and for batch norms running_mean and running_var.
namespace safer {

/// y = W x + b over the last axis.   name.weight: [out, in]   name.bias: [out]
Var linear_layer(Var x, std::string_view name, std::int64_t out);

struct ConvLayer {
  std::int64_t out = 0;   // channels
  std::int64_t taps = 3;  // rows and columns of the kernel
  std::int64_t stride = 1;
  Padding padding = 0;
  std::int64_t groups = 1;
  bool bias = false;
};
/// Convolution of x: [N, channels, H, W].   name.weight: [out, channels / groups, taps, taps]   name.bias: [out], if there is one
Var conv_layer(Var x, std::string_view name, const ConvLayer& layer);

/// TensorFlow's padding "same" for a window of `taps` on x: [N, C, H, W], which leaves ceil(H / stride) rows. Where it is uneven,
/// the larger part comes below and on the right.
Padding same_padding(Var x, std::int64_t taps, std::int64_t stride);

/// Over the channels of x: [N, C, H, W].   name.weight, name.bias, name.running_mean, name.running_var: [C]
Var batch_norm_layer(Var x, std::string_view name, double epsilon = 1e-5);
constexpr double keras_epsilon = 1e-3;  // of the batch norms that Keras makes, where PyTorch's add 1e-5

/// Over the last axis.   name.weight, name.bias: [its size]
Var layer_norm_layer(Var x, std::string_view name, double epsilon = 1e-5);

}  // namespace safer
