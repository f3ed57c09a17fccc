#include "engine/ops/elementwise.h"

#include <cmath>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"

namespace safer::onnx {
namespace {

/// Whether all elements but those along the last axis are alike.
bool is_row(Var x) { return x.shape().size() == 1 || x.shape().size() == x.shape()[x.shape().rank() - 1]; }

/// f of two values. Where one has merged axes, the other must have the same, or vary along the last axis only.
template <class F>
Value broadcast(const Value& a, Var x, const Value& b, Var y, const F& f) {
  const int merged = std::max(a.merged, b.merged);
  const bool same = a.merged == b.merged && (merged == 1 || x.type() == y.type());
  if (!same && !is_row(a.merged > 1 ? y : x))
    throw Error("one input has its batch within its first axis, but not the other: {} and {}", text(x.type()), text(y.type()));
  return {nullptr, f(x, y), merged};
}

/// A sum or product of any number of inputs, or a difference or quotient of two.
template <Var (*f)(Var, Var, std::string_view), Role role>
std::vector<Value> chain(const NodeImport& node) {
  Value result = node.like(0, node.rows(0, role));
  for (std::size_t i = 1; i < node.inputs(); ++i)
    result = broadcast(result, result.var, node.value(i), node.rows(i, role), [](Var a, Var b) { return f(a, b, {}); });
  return {result};
}

Var larger(Var a, Var b) { return a + relu(b - a); }
Var smaller(Var a, Var b) { return a - relu(a - b); }

template <Var (*f)(Var, Var)>
std::vector<Value> extreme(const NodeImport& node) {
  Value result = node.like(0, node.rows(0));
  for (std::size_t i = 1; i < node.inputs(); ++i) result = broadcast(result, result.var, node.value(i), node.rows(i), f);
  return {result};
}

std::vector<Value> mean_of_inputs(const NodeImport& node) {
  const Value sum = chain<add, Role::bias>(node)[0];
  return {{nullptr, sum.var / static_cast<double>(node.inputs()), sum.merged}};
}

Var whole_power(Var x, int exponent) {
  if (exponent == 1) return x;
  const Var half = square(whole_power(x, exponent / 2));
  return exponent % 2 == 0 ? half : half * x;
}

/// Where the exponent is no small whole number, x must be positive: the power of 0 has no gradient, that of less no value.
std::vector<Value> power(const NodeImport& node) {
  const Var x = node.rows(0);
  const double exponent = node.scalar(1, "the exponent");
  constexpr int most = 64;
  if (exponent == 0.5) return {node.like(0, sqrt(x))};
  if (exponent == -0.5) return {node.like(0, 1 / sqrt(x))};
  if (exponent == static_cast<int>(exponent) && exponent > 0 && exponent <= most)
    return {node.like(0, whole_power(x, static_cast<int>(exponent)))};
  if (exponent == static_cast<int>(exponent) && exponent < 0 && exponent >= -most)
    return {node.like(0, 1 / whole_power(x, -static_cast<int>(exponent)))};
  if (!std::isfinite(exponent)) throw Error("the exponent is {}, expected a finite number", exponent);
  return {node.like(0, exp(log(x) * exponent))};
}

/// `chosen` where the mask is 1 and `other` where it is 0.
Var select(const NodeImport& node, const Tensor& mask, const Tensor& inverse, std::size_t chosen, std::size_t other) {
  const auto constant = [&](const Tensor& tensor) { return node.tape().constant("mask", tensor.to(DType::f32)); };
  return node.var(chosen) * constant(mask) + node.var(other) * constant(inverse);
}

/// The condition must be a constant, as in a mask of attention.
std::vector<Value> where(const NodeImport& node) {
  const Tensor& condition = node.constant(0, "the condition");
  Tensor mask = condition.to(DType::f32), inverse = mask;
  for (float& element : inverse.mutable_values<float>()) element = element == 0 ? 1.0f : 0.0f;
  return single(select(node, mask, inverse, 1, 2));
}

}  // namespace

std::span<const Operator> elementwise_operators() {
  static constexpr Operator rows[] = {
      {"Add", chain<add, Role::bias>},
      {"Div", chain<div, Role::norm>},
      {"Max", extreme<larger>},
      {"Mean", mean_of_inputs},
      {"Min", extreme<smaller>},
      {"Mul", chain<mul, Role::norm>},
      {"Pow", power},
      {"Sub", chain<sub, Role::bias>},
      {"Sum", chain<add, Role::bias>},
      {"Where", where},
  };
  return rows;
}

}  // namespace safer::onnx
