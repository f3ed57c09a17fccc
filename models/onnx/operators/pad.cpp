#include <algorithm>

#include "engine/error.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"

namespace safer::onnx {
namespace {

constexpr std::int64_t most_padding = std::int64_t{1} << 31;

/// Which place along an axis of `size` stands at `at`, which may lie beyond it.
std::int64_t source(std::int64_t at, std::int64_t size, std::string_view mode) {
  if (mode == "edge") return std::clamp<std::int64_t>(at, 0, size - 1);
  if (mode == "wrap") return (at % size + size) % size;
  if (size == 1) return 0;
  const std::int64_t period = 2 * (size - 1), folded = (at % period + period) % period;
  return folded < size ? folded : period - folded;
}

Var pad_axis(const NodeImport& node, Var x, int axis, std::int64_t before, std::int64_t after, std::string_view mode) {
  const std::int64_t size = x.shape()[axis];
  if (size < 1) throw Error("padding of an axis without elements");
  if (Shape{x.shape().size(), before + size + after}.size() > (std::int64_t{1} << 40))
    throw Error("padding of {} and {} is too much", before, after);
  node.spend(before + size + after);
  std::vector<std::int64_t> places;
  for (std::int64_t at = -before; at < size + after; ++at) places.push_back(source(at, size, mode));
  return gather(x, x.tape().constant("places", known_integers(places).value), axis);
}

/// What a negative size would pad is cut off.
Var crop(Var x, const std::vector<std::int64_t>& begins, const std::vector<std::int64_t>& ends) {
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    const std::int64_t first = std::max<std::int64_t>(0, -begins[static_cast<std::size_t>(axis)]);
    const std::int64_t last = x.shape()[axis] + std::min<std::int64_t>(0, ends[static_cast<std::size_t>(axis)]);
    if (first != 0 || last != x.shape()[axis]) x = slice(x, axis, first, std::max<std::int64_t>(last, 0));
  }
  return x;
}

std::vector<Value> padded(const NodeImport& node) {
  Var x = node.var(0);
  const auto rank = static_cast<std::size_t>(x.shape().rank());
  const std::vector<std::int64_t> given = node.integers(1, "pads"), axes = node.integers(3, "axes");
  const std::size_t count = axes.empty() ? rank : axes.size();
  if (given.size() != 2 * count) throw Error("{} pads for {} axes, expected {}", given.size(), count, 2 * count);
  std::vector<std::int64_t> begins(rank), ends(rank);
  for (std::size_t i = 0; i < count; ++i) {
    const auto axis = axes.empty() ? i : static_cast<std::size_t>(x.shape().axis(axes[i], "axes"));
    begins[axis] = given[i], ends[axis] = given[count + i];
    if (std::max(std::abs(begins[axis] / 2), std::abs(ends[axis] / 2)) > most_padding / 2)
      throw Error("pads of {} and {}", given[i], given[count + i]);
  }
  x = crop(x, begins, ends);
  for (auto* sizes : {&begins, &ends})
    for (std::int64_t& size : *sizes) size = std::max<std::int64_t>(0, size);
  const std::string mode = node.attributes().text("mode", "constant");
  if (mode == "constant") {
    const double value = node.has(2) ? node.scalar(2, "the padding value") : node.attributes().number("value", 0);
    return single(pad(x, begins, ends, value));
  }
  if (mode != "reflect" && mode != "edge" && mode != "wrap") throw Error("attribute 'mode' is '{}'", mode);
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (begins[axis] > 0 || ends[axis] > 0) x = pad_axis(node, x, static_cast<int>(axis), begins[axis], ends[axis], mode);
  return single(x);
}

}  // namespace

std::span<const Operator> pad_operators() {
  static constexpr Operator rows[] = {{"Pad", padded}};
  return rows;
}

}  // namespace safer::onnx
