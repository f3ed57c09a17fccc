#include "engine/ops/norm.h"

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pool.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"

namespace safer::onnx {
namespace {

std::vector<Value> batch_normalization(const NodeImport& node) {
  if (node.attributes().integer("training_mode", 0) != 0)
    throw Error("attribute 'training_mode' is set, expected a network exported for inference");
  if (node.opset() < 9 && node.attributes().integer("spatial", 1) == 0)
    throw Error("attribute 'spatial' is 0, expected one mean a channel");
  // One after the other, so that parameters are declared in this order.
  const Var x = node.var(0), gamma = node.parameter(1, Role::norm), beta = node.parameter(2, Role::bias);
  const Var mean = node.parameter(3, Role::buffer), variance = node.parameter(4, Role::buffer);
  return single(batch_norm(x, gamma, beta, mean, variance, {node.attributes().number("epsilon", 1e-5)}, node.path()));
}

std::vector<Value> layer_normalization(const NodeImport& node) {
  const bool last_only = node.attributes().integer("axis", -1) == -1;
  const Var x = last_only ? node.rows(0) : node.var(0);
  const int rank = x.shape().rank(), axis = x.shape().axis(node.attributes().integer("axis", -1), "axis");
  const double epsilon = node.attributes().number("epsilon", 1e-5);
  const Var gamma = node.parameter(1, Role::norm), beta = node.has(2) ? node.parameter(2, Role::bias) : Var();
  const Var y = layer_norm(x, gamma, beta, {rank - axis, epsilon});
  if (!node.wants(1) && !node.wants(2)) return {node.like(0, y)};
  std::vector<std::int64_t> axes;
  for (int last = axis; last < rank; ++last) axes.push_back(last);
  const Var average = mean(x, axes, true), deviation = sqrt(mean(square(x - average), axes, true) + epsilon);
  return {node.like(0, y), node.like(0, average), node.like(0, 1 / deviation)};
}

/// A vector with one element a channel, for x: [N, C, places...].
Var per_channel(Var vector, Var x) {
  Shape shape{vector.shape().size()};
  for (int axis = 2; axis < x.shape().rank(); ++axis) shape.push_back(1);
  return reshape(vector, shape);
}

/// Each of `groups` runs of channels by itself, then a gain and a shift a channel.
Var group_norm(Var x, Var gain, Var shift, std::int64_t groups, double epsilon) {
  const Shape shape = x.shape();
  if (shape.rank() < 3 || x.type().batch_axis != 0) throw Error("the input is {}, expected [N, channels, places...]", shape);
  if (groups < 1 || shape[1] % groups != 0) throw Error("{} groups of {} channels, expected a divisor", groups, shape[1]);
  const Var grouped = reshape(x, {shape[0], groups, shape.size(1, shape.rank()) / groups}, 0);
  const Var normal = reshape(layer_norm(grouped, {}, {}, {1, epsilon}), shape, 0);
  return normal * per_channel(gain, x) + per_channel(shift, x);
}

std::vector<Value> instance_normalization(const NodeImport& node) {
  const Var x = node.var(0);
  if (x.shape().rank() < 3) throw Error("the input is {}, expected [N, channels, places...]", x.shape());
  const Var gain = node.parameter(1, Role::norm), shift = node.parameter(2, Role::bias);
  return single(group_norm(x, gain, shift, x.shape()[1], node.attributes().number("epsilon", 1e-5)));
}

std::vector<Value> group_normalization(const NodeImport& node) {
  const Var x = node.var(0), gain = node.parameter(1, Role::norm), shift = node.parameter(2, Role::bias);
  const std::int64_t groups = node.attributes().integer("num_groups");
  if (x.shape().rank() < 3 || gain.shape().size() != x.shape()[1])
    throw Error("the input is {} and the scale {}, expected one a channel (opset 21)", x.shape(), gain.shape());
  return single(group_norm(x, gain, shift, groups, node.attributes().number("epsilon", 1e-5)));
}

std::vector<Value> lp_normalization(const NodeImport& node) {
  const Var x = node.var(0);
  const std::int64_t axis = node.attributes().integer("axis", -1), p = node.attributes().integer("p", 2);
  if (p != 2) throw Error("attribute 'p' is {}, expected 2", p);
  return single(x / sqrt(sum(square(x), {axis}, true)));
}

/// Each channel over a power of the mean square of its neighbours (Krizhevsky et al. 2012): y = x / (bias + alpha mean)^beta, where
/// `size` channels count, those that are missing at the ends as 0.
std::vector<Value> local_response_normalization(const NodeImport& node) {
  const Var x = node.var(0);
  const Shape shape = x.shape();
  const std::int64_t size = node.attributes().integer("size");
  if (shape.rank() < 3 || x.type().batch_axis != 0) throw Error("the input is {}, expected [N, channels, places...]", shape);
  if (size < 1 || size > shape[1]) throw Error("attribute 'size' is {}, expected 1 to the {} channels", size, shape[1]);
  const Var places = reshape(square(x), {shape[0], 1, shape[1], shape.size(2, shape.rank())}, 0);
  const Padding padding{(size - 1) / 2, 0, size / 2, 0};
  const Var mean_square = average_pool2d(places, {size, 1}, {.padding = padding, .count_padding = true});
  const Var base = mean_square * node.attributes().number("alpha", 1e-4) + node.attributes().number("bias", 1);
  return single(x / reshape(exp(log(base) * node.attributes().number("beta", 0.75)), shape, 0));
}

}  // namespace

std::span<const Operator> norm_operators() {
  static constexpr Operator rows[] = {
      {"BatchNormalization", batch_normalization},       {"GroupNormalization", group_normalization},
      {"InstanceNormalization", instance_normalization}, {"LRN", local_response_normalization},
      {"LayerNormalization", layer_normalization},       {"LpNormalization", lp_normalization},
  };
  return rows;
}

}  // namespace safer::onnx
