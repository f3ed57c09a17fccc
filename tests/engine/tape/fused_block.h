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
  enum class Norm { none, plain, scaled, shifted, full };  // batch norm without or with gamma and beta
  static constexpr std::int64_t channels = 4;

  Layer layer = Layer::conv;
  bool bias = true;
  Norm norm = Norm::none;
  Residual residual = Residual::none;
  Var (*activation)(Var) = nullptr;
  double low = -1;  // of all numbers; not negative where roots, positive where logarithms are taken of results

  Shape input_shape() const { return layer < Layer::linear ? Shape{1, channels, 3, 5} : Shape{1, channels}; }
  Draw draw() const { return {.low = low}; }
  std::string label() const {
    return fmt::format("layer {}, bias {}, residual {}, low {}, norm {}", static_cast<int>(layer), bias, static_cast<int>(residual),
                       low, static_cast<int>(norm));
  }

  /// activation(norm(layer(x)) + other); the layer's parameters are called `name`.weight and so on.
  Var record(Recording& recording, Var x, Var other, const std::string& name) const {
    Var y = normalise(recording, apply(recording, x, name), name + ".norm");
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

  Var normalise(Recording& recording, Var y, const std::string& name) const {
    if (norm == Norm::none) return y;
    const auto buffer = [&](const char* part, Draw draw) {
      return recording.parameter(name + part, {channels}, draw, Role::buffer);
    };
    const Var gamma = norm == Norm::scaled || norm == Norm::full ? buffer(".gamma", {.low = 0.5, .high = 2}) : Var();
    const Var beta = norm == Norm::shifted || norm == Norm::full ? buffer(".beta", draw()) : Var();
    const Draw mean = low < 0 ? draw() : Draw{.low = -1, .high = 0};
    return batch_norm(y, gamma, beta, buffer(".mean", mean), buffer(".variance", {.low = 0.25, .high = 2}), {}, name);
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
inline const std::vector<Block::Norm> block_norms = {Block::Norm::none, Block::Norm::plain, Block::Norm::scaled,
                                                     Block::Norm::shifted, Block::Norm::full};
inline const std::vector<Block::Residual> block_residuals = {Block::Residual::none, Block::Residual::left, Block::Residual::right};

inline Var default_leaky_relu(Var x) { return leaky_relu(x, 0.125); }
inline Var exact_gelu(Var x) { return gelu(x, Gelu::erf); }
inline Var tanh_gelu(Var x) { return gelu(x, Gelu::tanh); }
inline Var tanh_of(Var x) { return safer::tanh(x); }
inline Var exp_of(Var x) { return safer::exp(x); }
inline Var log_of(Var x) { return safer::log(x); }
inline Var erf_of(Var x) { return safer::erf(x); }
inline Var sqrt_of(Var x) { return safer::sqrt(x); }
/// One for each kernels::Unary, in its order.
inline constexpr Var (*block_activations[kernels::unary_count])(Var) = {relu,       relu6,     default_leaky_relu,
                                                                        exact_gelu, tanh_gelu, silu,
                                                                        hard_swish, mish,      softplus,
                                                                        sigmoid,    tanh_of,   exp_of,
                                                                        log_of,     erf_of,    square,
                                                                        sqrt_of};

}  // namespace safer::test
