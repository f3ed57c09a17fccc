#include "engine/ops/linear.h"

#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"

namespace safer::onnx {
namespace {

bool is_matrix(const NodeImport& node, std::size_t i) { return node.is_known(i) && node.value(i).known->value.shape().rank() == 2; }

/// Y = alpha A B + beta C, with either of A and B transposed.
std::vector<Value> gemm(const NodeImport& node) {
  const Attributes a = node.attributes();
  const double alpha = a.number("alpha", 1), beta = a.number("beta", 1);
  const bool transpose_a = a.integer("transA", 0) != 0, transpose_b = a.integer("transB", 0) != 0;
  const bool plain = alpha == 1 && !transpose_a && !node.is_known(0) && is_matrix(node, 1);
  const bool has_c = node.has(2) && beta != 0;
  const bool has_bias = has_c && node.is_known(2) && node.value(2).known->value.shape().rank() == 1 && beta == 1;
  Var y;
  if (plain) {
    const Var W = node.parameter(1, Role::weight, transpose_b ? 0 : 1);
    const bool fits = has_bias && node.value(2).known->value.size() == W.shape()[transpose_b ? 0 : 1];
    y = linear(node.rows(0), W, fits ? node.parameter(2, Role::bias) : Var(), node.path(),
               transpose_b ? WeightLayout::out_in : WeightLayout::in_out);
    if (fits || !has_c) return {node.like(0, y)};
  } else {
    y = matmul(node.var(0), node.var(1, Role::weight), {transpose_a, transpose_b});
    if (alpha != 1) y = y * alpha;
    if (!has_c) return single(y);
  }
  const Var c = node.var(2);
  return single(y + (beta == 1 ? c : c * beta));
}

Shape with_axis(const Shape& shape, int at) {
  Shape wider;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (axis == at) wider.push_back(1);
    wider.push_back(shape[axis]);
  }
  if (at == shape.rank()) wider.push_back(1);
  return wider;
}

/// numpy's matmul, which has its own rules for vectors.
Var general(Var a, Var b) {
  const bool vector_a = a.shape().rank() == 1, vector_b = b.shape().rank() == 1;
  if (a.shape().rank() == 0 || b.shape().rank() == 0) throw Error("a product of {} and {}", a.shape(), b.shape());
  if (vector_a) a = reshape(a, with_axis(a.shape(), 0));
  if (vector_b) b = reshape(b, with_axis(b.shape(), 1));
  const Var y = matmul(a, b);
  Shape sizes;
  for (int axis = 0; axis < y.shape().rank(); ++axis)
    if (!(vector_b && axis == y.shape().rank() - 1) && !(vector_a && axis == y.shape().rank() - 2))
      sizes.push_back(y.shape()[axis]);
  return vector_a || vector_b ? reshape(y, sizes) : y;
}

std::vector<Value> matrix_product(const NodeImport& node) {
  if (!is_matrix(node, 1) || node.is_known(0)) return single(general(node.var(0, Role::weight), node.var(1, Role::weight)));
  const Var x = node.rows(0), W = node.parameter(1, Role::weight, 1);
  return {node.like(0, linear(x, W, {}, node.path(), WeightLayout::in_out))};
}

}  // namespace

std::span<const Operator> linear_operators() {
  static constexpr Operator rows[] = {{"Gemm", gemm}, {"MatMul", matrix_product}};
  return rows;
}

}  // namespace safer::onnx
