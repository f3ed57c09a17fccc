#include "engine/ops/pool.h"

#include "engine/error.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"
#include "models/onnx/window.h"

namespace safer::onnx {
namespace {

using Pool = Var (*)(Var, Pair, PoolOptions, std::string_view);

/// The window of axes first and first + 1; each further axis is pooled by itself, which both maxima and means allow: a window is a
/// product of intervals, and so is what is left of it beside the padding.
Var pool_axes(Pool pool, Var x, const Window& window, PoolOptions options, int first, int count) {
  const Shape shape = x.shape();
  const int last = first + count;
  Window part{{window.axes.begin() + (first - 2), window.axes.begin() + (last - 2)}};
  const std::int64_t inner = shape.size(last, shape.rank());
  if (inner != 1 && count != 1) throw Error("pooling of {} by {} axes", shape, count);
  // The axes after a single pooled one become columns that the window leaves alone.
  const bool as_rows = count == 1 && inner != 1;
  if (as_rows) part.axes.push_back({});
  const Shape image{shape[0], shape.size(1, first),
                    count == 2 ? shape[first]
                    : as_rows  ? shape[first]
                               : 1,
                    count == 2 ? shape[first + 1]
                    : as_rows  ? inner
                               : shape[first]};
  options.stride = part.stride(), options.padding = part.padding(), options.dilation = part.dilation();
  const Var y = pool(reshape(x, image, 0), part.taps(), options, {});
  Shape result = shape;
  if (count == 2)
    result[first] = y.shape()[2], result[first + 1] = y.shape()[3];
  else
    result[first] = as_rows ? y.shape()[2] : y.shape()[3];
  return reshape(y, result, 0);
}

std::vector<Value> pooled(const NodeImport& node, Pool pool) {
  const Var x = node.var(0);
  const int places = x.shape().rank() - 2;
  if (places < 1 || x.type().batch_axis != 0) throw Error("the input is {}, expected [N, channels, places...]", x.shape());
  const Window window = window_of(node, x.shape(), node.attributes().integers("kernel_shape"));
  PoolOptions options{.ceil = node.attributes().integer("ceil_mode", 0) != 0,
                      .count_padding = node.attributes().integer("count_include_pad", 0) != 0};
  Var y = pool_axes(pool, x, window, options, places == 1 ? 2 : places, places == 1 ? 1 : 2);
  for (int axis = 2; axis < places; ++axis) y = pool_axes(pool, y, window, options, axis, 1);
  return single(y);
}

std::vector<Value> max_pool(const NodeImport& node) {
  if (node.wants(1)) throw Error("its output of indices is wanted, expected the values alone");
  return pooled(node, max_pool2d);
}

std::vector<Value> average_pool(const NodeImport& node) { return pooled(node, average_pool2d); }

template <Var (*f)(Var)>
std::vector<Value> global(const NodeImport& node) {
  return single(f(node.var(0)));
}

}  // namespace

std::span<const Operator> pool_operators() {
  static constexpr Operator rows[] = {
      {"AveragePool", average_pool},
      {"GlobalAveragePool", global<global_average_pool>},
      {"GlobalMaxPool", global<global_max_pool>},
      {"MaxPool", max_pool},
  };
  return rows;
}

}  // namespace safer::onnx
