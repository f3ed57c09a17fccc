#include "engine/ops/conv.h"

#include "engine/error.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"
#include "models/onnx/window.h"

namespace safer::onnx {
namespace {

/// [N, C, L] as an image of one row.
Var as_image(Var x) { return reshape(x, {x.shape()[0], x.shape()[1], 1, x.shape()[2]}, 0); }

std::shared_ptr<const Known> with_row(const std::shared_ptr<const Known>& weight) {
  const Shape& w = weight->value.shape();
  return std::make_shared<const Known>(Known{tensor_of(*weight, "the weight").reshaped({w[0], w[1], 1, w[2]}), {}, weight->name});
}

std::vector<Value> conv(const NodeImport& node) {
  const Var x = node.var(0);
  const int rank = x.shape().rank();
  if (rank != 3 && rank != 4) throw Error("the input is {}, expected [N, channels, rows, columns]", x.shape());
  if (!node.is_known(1)) throw Error("the weight is computed by the network, expected a constant");
  const auto& weight = node.value(1).known;
  if (weight->value.shape().rank() != rank) throw Error("the weight is {} for the input {}", weight->value.shape(), x.shape());
  const Shape& w = weight->value.shape();
  const Var image = rank == 3 ? as_image(x) : x;
  const Window window = window_of(node, x.shape(), {w.begin() + 2, w.end()});
  const ConvOptions options{window.stride(), window.padding(), window.dilation(), node.attributes().integer("group", 1)};
  const Var W = rank == 3 ? node.parameter(with_row(weight), Role::weight, 0, "weight") : node.parameter(1, Role::weight);
  const Var b = node.has(2) ? node.parameter(2, Role::bias) : Var();
  const Var y = conv2d(image, W, b, options, node.path());
  if (rank == 4) return single(y);
  return single(reshape(y, {y.shape()[0], y.shape()[1], y.shape()[3]}, 0));
}

}  // namespace

std::span<const Operator> conv_operators() {
  static constexpr Operator rows[] = {{"Conv", conv}};
  return rows;
}

}  // namespace safer::onnx
