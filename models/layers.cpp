#include "models/layers.h"

#include <algorithm>
#include <string>

#include "engine/ops/linear.h"
#include "engine/ops/norm.h"

namespace safer {
namespace {

/// Declares name.ending.
Var declare(Tape& tape, std::string_view name, std::string_view ending, const Shape& shape, Role role = Role::weight) {
  return tape.parameter({.name = std::string(name) + "." + std::string(ending), .shape = shape, .role = role});
}

std::int64_t last_axis(Var x) { return x.shape()[x.shape().rank() - 1]; }

}  // namespace

Var linear_layer(Var x, std::string_view name, std::int64_t out) {
  const Var W = declare(x.tape(), name, "weight", {out, last_axis(x)});
  const Var b = declare(x.tape(), name, "bias", {out}, Role::bias);
  return linear(x, W, b);
}

Var conv_layer(Var x, std::string_view name, const ConvLayer& layer) {
  const Var w = declare(x.tape(), name, "weight", {layer.out, x.shape()[1] / layer.groups, layer.taps, layer.taps});
  Var b;
  if (layer.bias) b = declare(x.tape(), name, "bias", {layer.out}, Role::bias);
  return conv2d(x, w, b, {.stride = layer.stride, .padding = layer.padding, .groups = layer.groups});
}

Padding same_padding(Var x, std::int64_t taps, std::int64_t stride) {
  const auto total = [&](std::int64_t in) {
    const std::int64_t places = (in + stride - 1) / stride;
    return std::max<std::int64_t>(0, (places - 1) * stride + taps - in);
  };
  const std::int64_t rows = total(x.shape()[2]), columns = total(x.shape()[3]);
  return {rows / 2, columns / 2, rows - rows / 2, columns - columns / 2};
}

Var batch_norm_layer(Var x, std::string_view name, double epsilon) {
  const Shape channels{x.shape()[1]};
  const Var gamma = declare(x.tape(), name, "weight", channels, Role::norm);
  const Var beta = declare(x.tape(), name, "bias", channels, Role::norm);
  const Var mean = declare(x.tape(), name, "running_mean", channels, Role::buffer);
  const Var variance = declare(x.tape(), name, "running_var", channels, Role::buffer);
  return batch_norm(x, gamma, beta, mean, variance, {.epsilon = epsilon});
}

Var layer_norm_layer(Var x, std::string_view name, double epsilon) {
  const Shape axis{last_axis(x)};
  const Var gamma = declare(x.tape(), name, "weight", axis, Role::norm);
  const Var beta = declare(x.tape(), name, "bias", axis, Role::norm);
  return layer_norm(x, gamma, beta, {.epsilon = epsilon}, name);
}

}  // namespace safer
