#pragma once

#include <string>
#include <vector>

#include "engine/ops/ops.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

/// One layer with everything that may be fused into it.
struct Block {
  enum class Layer { conv, grouped, depthwise, linear, linear_in_out };
  enum class Residual { none, left, right };
  static constexpr std::int64_t channels = 4;

  Layer layer = Layer::conv;
  bool bias = true;
  Residual residual = Residual::none;
  Var (*activation)(Var) = nullptr;
  double low = -1;  // of all numbers; not negative where roots are taken of results

  Shape input_shape() const { return layer < Layer::linear ? Shape{1, channels, 3, 5} : Shape{1, channels}; }
  Draw draw() const { return {.low = low}; }
  std::string label() const {
    return fmt::format("layer {}, bias {}, residual {}, low {}", static_cast<int>(layer), bias, static_cast<int>(residual), low);
  }

  /// activation(layer(x) + other); the layer's parameters are called `name`.weight and so on.
  Var record(Recording& recording, Var x, Var other, const std::string& name) const {
    Var y = apply(recording, x, name);
    if (residual == Residual::left) y = add(other, y, name + ".add");
    if (residual == Residual::right) y = add(y, other, name + ".add");
    return activation ? activation(y) : y;
  }

 private:
  Var apply(Recording& recording, Var x, const std::string& name) const {
    const Var b = bias ? recording.parameter(name + ".bias", {channels}, draw(), Role::bias) : Var();
    if (layer >= Layer::linear) {
      const Var w = recording.parameter(name + ".weight", {channels, channels}, draw());
      return linear(x, w, b, name, layer == Layer::linear ? WeightLayout::out_in : WeightLayout::in_out);
    }
    const std::int64_t groups = layer == Layer::conv ? 1 : layer == Layer::grouped ? 2 : channels;
    const Var w = recording.parameter(name + ".weight", {channels, channels / groups, 3, 3}, draw());
    return conv2d(x, w, b, {.padding = 1, .groups = groups}, name);
  }
};

/// The listing of a plan, with " | " between its steps.
inline std::string listed(const Tape& tape, PlanOptions options) {
  std::string text;
  for (const std::string& step : Plan(tape, std::move(options)).listing()) text += (text.empty() ? "" : " | ") + step;
  return text;
}

inline const std::vector<Block::Layer> block_layers = {Block::Layer::conv, Block::Layer::grouped, Block::Layer::depthwise,
                                                       Block::Layer::linear, Block::Layer::linear_in_out};
inline const std::vector<Block::Residual> block_residuals = {Block::Residual::none, Block::Residual::left, Block::Residual::right};

inline Var default_leaky_relu(Var x) { return leaky_relu(x, 0.125); }
inline Var exact_gelu(Var x) { return gelu(x, Gelu::erf); }
inline Var tanh_gelu(Var x) { return gelu(x, Gelu::tanh); }
inline Var tanh_of(Var x) { return safer::tanh(x); }
inline Var exp_of(Var x) { return safer::exp(x); }
inline Var erf_of(Var x) { return safer::erf(x); }
inline Var sqrt_of(Var x) { return safer::sqrt(x); }
/// One for each kernels::Unary, in its order.
inline constexpr Var (*block_activations[kernels::unary_count])(Var) = {
    relu, relu6, default_leaky_relu, exact_gelu, tanh_gelu, silu, hard_swish, sigmoid, tanh_of, exp_of, erf_of, square, sqrt_of};

}  // namespace safer::test
