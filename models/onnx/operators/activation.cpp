#include "engine/ops/activation.h"

#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"
#include "models/onnx/operators/quantize.h"

namespace safer::onnx {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <Var (*f)(Var)>
std::vector<Value> unary(const NodeImport& node) {
  return {node.like(0, f(node.rows(0)))};
}

Var negative(Var x) { return x * -1.0; }
Var reciprocal(Var x) { return 1 / x; }
Var absolute(Var x) { return relu(x) + relu(negative(x)); }
Var softsign(Var x) { return x / (absolute(x) + 1); }
/// alpha (exp(x / width) - 1) below 0, x above.
Var exponential_unit(Var x, double alpha, double width) {
  const Var below = negative(relu(negative(x)));
  return relu(x) + (exp(width == 1 ? below : below / width) - 1) * alpha;
}
std::vector<Value> elu(const NodeImport& node) {
  return {node.like(0, exponential_unit(node.rows(0), node.attributes().number("alpha", 1), 1))};
}
std::vector<Value> celu(const NodeImport& node) {
  const double alpha = node.attributes().number("alpha", 1);
  return {node.like(0, exponential_unit(node.rows(0), alpha, alpha))};
}
std::vector<Value> selu(const NodeImport& node) {
  const double alpha = node.attributes().number("alpha", 1.67326319217681884765625);
  return {node.like(0, exponential_unit(node.rows(0), alpha, 1) * node.attributes().number("gamma", 1.05070102214813232421875))};
}

std::vector<Value> leaky(const NodeImport& node) {
  return {node.like(0, leaky_relu(node.rows(0), node.attributes().number("alpha", 0.01)))};
}

/// x above 0, slope x below.
std::vector<Value> parametric_relu(const NodeImport& node) {
  const Var x = node.var(0), slope = node.var(1, Role::norm);
  return single(relu(x) - relu(negative(x)) * slope);
}

Var clip(Var x, double least, double most) {
  if (!(least <= most)) throw Error("limits {} and {}, expected the smaller one first", least, most);
  if (least == 0 && most == 6) return relu6(x);
  if (least == -infinity && most == infinity) return x;
  if (most == infinity) return least == 0 ? relu(x) : relu(x - least) + least;
  if (least == -infinity) return most - relu(most - x);
  // Three steps that are exact between the limits only up to rounding; ReLU6 scaled is as good and stays one activation.
  return relu6((x - least) * (6 / (most - least))) * ((most - least) / 6) + least;
}

std::vector<Value> limited(const NodeImport& node) {
  if (node.value(0).quantized) return clip_quantized(node);
  const auto limit = [&](std::size_t i, std::string_view name, double without) {
    if (node.has(i)) return node.scalar(i, name);
    const double given = node.attributes().number(name, without);
    return std::abs(given) >= double{std::numeric_limits<float>::max()} ? std::copysign(infinity, given) : given;
  };
  return {node.like(0, clip(node.rows(0), limit(1, "min", -infinity), limit(2, "max", infinity)))};
}

std::vector<Value> hard_sigmoid(const NodeImport& node) {
  const double alpha = node.attributes().number("alpha", 0.2), beta = node.attributes().number("beta", 0.5);
  const Var x = node.rows(0);
  return {node.like(0, relu6((x * alpha + beta) * 6.0) / 6.0)};
}

std::vector<Value> gelu(const NodeImport& node) {
  const std::string form = node.attributes().text("approximate", "none");
  if (form != "none" && form != "tanh") throw Error("attribute 'approximate' is '{}', expected none or tanh", form);
  return {node.like(0, safer::gelu(node.rows(0), form == "tanh" ? Gelu::tanh : Gelu::erf))};
}

/// Before opset 13, over all axes from `axis` on taken as one.
template <Var (*f)(Var, std::int64_t)>
std::vector<Value> normalised(const NodeImport& node) {
  const bool flattens = node.opset() < 13;
  const std::int64_t given = node.attributes().integer("axis", flattens ? 1 : -1);
  const Var x = node.rows(0);
  const Shape shape = x.shape();
  // Counted from the front, an axis of a value with merged axes is another one on the tape.
  const int axis = shape.axis(given < 0 ? given : given + node.value(0).merged - 1, "axis");
  if (!flattens || shape.size(axis + 1, shape.rank()) == 1) return {node.like(0, f(x, axis))};
  return single(reshape(f(flatten(node.var(0), axis), axis), shape, x.type().batch_axis));
}

}  // namespace

std::span<const Operator> activation_operators() {
  static constexpr Operator rows[] = {
      {"Abs", unary<absolute>},
      {"Celu", celu},
      {"Clip", limited},
      {"Elu", elu},
      {"Erf", unary<erf>},
      {"Exp", unary<exp>},
      {"Gelu", gelu},
      {"HardSigmoid", hard_sigmoid},
      {"HardSwish", unary<hard_swish>},
      {"LeakyRelu", leaky},
      {"Log", unary<log>},
      {"LogSoftmax", normalised<log_softmax>},
      {"Mish", unary<mish>},
      {"Neg", unary<negative>},
      {"PRelu", parametric_relu},
      {"Reciprocal", unary<reciprocal>},
      {"Relu", unary<relu>},
      {"Selu", selu},
      {"Sigmoid", unary<sigmoid>},
      {"Softmax", normalised<softmax>},
      {"Softplus", unary<softplus>},
      {"Softsign", unary<softsign>},
      {"Sqrt", unary<sqrt>},
      {"Tanh", unary<tanh>},
  };
  return rows;
}

}  // namespace safer::onnx
