#include "models/onnx/operators/reshape.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"

namespace safer::onnx {
namespace {

/// The sizes of one sample, and which of them the batch multiplies; -1: nothing says it.
struct Target {
  Shape sample;
  int batch_axis = -1;
};

Target target_of(const ValueType& x, const std::vector<Size>& sizes) {
  std::vector<std::int64_t> sample;
  int open = -1, batch_axis = -1;
  for (const Size& size : sizes) {
    const auto axis = static_cast<int>(sample.size());
    if (size.free != 0) {
      if (batch_axis >= 0 || size.fixed != 0) throw Error("more than one size, or a part of one, varies with the batch");
      batch_axis = axis;
    } else if (size.fixed == -1) {
      if (open >= 0) throw Error("more than one size is -1");
      open = axis;
    }
    sample.push_back(size.free != 0 ? size.free : size.fixed == -1 ? 1 : size.fixed);
  }
  Shape shape(sample);
  if (open >= 0) {
    if (shape.size() == 0 || x.shape.size() % shape.size() != 0)
      throw Error("{} has {} elements a sample, which do not fill {}", text(x), x.shape.size(), shape);
    shape[open] = x.shape.size() / shape.size();
  }
  // With all other sizes fixed, only the open one can take the batch.
  if (batch_axis < 0 && x.batched()) batch_axis = open;
  return {shape, batch_axis};
}

/// How many leading axes of x have `size` elements together, the batch axis among them; 0: no such number.
int merged_axes(const ValueType& x, std::int64_t size) {
  for (int count = x.batch_axis + 1; count <= x.shape.rank(); ++count)
    if (x.shape.size(0, count) == size) return count;
  return 0;
}

/// The axis of the batch in sizes that were written for one sample.
int baked_axis(const ValueType& x, const Shape& sample) {
  const std::int64_t before = x.shape.size(0, x.batch_axis);
  const auto fits = [&](int axis) { return axis < sample.rank() && sample.size(0, axis) == before; };
  if (fits(x.batch_axis) && sample[x.batch_axis] == x.shape[x.batch_axis]) return x.batch_axis;
  for (int axis = 0; axis < sample.rank() - 1; ++axis)
    if (fits(axis)) return axis;
  return sample.rank() > 1 && merged_axes(x, sample[0]) > 0 ? 0 : sample.rank() - 1;
}

/// x with its leading axes seen as one, of the sizes `sample` in all.
Value merge(Var x, const Shape& sample) {
  const int count = merged_axes(x.type(), sample[0]);
  Shape kept;
  for (int axis = 0; axis < count; ++axis) kept.push_back(x.shape()[axis]);
  for (int axis = 1; axis < sample.rank(); ++axis) kept.push_back(sample[axis]);
  return {nullptr, kept == x.shape() ? x : reshape(x, kept, x.type().batch_axis), count};
}

}  // namespace

std::vector<Size> sizes_of(const Known& known, std::string_view what) {
  const std::vector<std::int64_t> fixed = integers_of({known.value}, what);
  const std::vector<std::int64_t> free = known.batch ? integers_of({*known.batch}, what) : std::vector<std::int64_t>(fixed.size());
  std::vector<Size> sizes;
  for (std::size_t i = 0; i < fixed.size(); ++i) sizes.push_back({fixed[i], free[i]});
  return sizes;
}

std::vector<Size> sizes_of(const Value& value) { return sizes_of(shape_of(value), "the shape"); }

Value reshaped(const Value& x, const std::vector<Size>& sizes, bool baked) {
  const ValueType type = x.var.type();
  Target target = target_of(type, sizes);
  if (target.sample.size() != type.shape.size())
    throw Error("{} has {} elements a sample, but {} has {}", text(type), type.shape.size(), target.sample, target.sample.size());
  if (!type.batched()) return {nullptr, reshape(x.var, target.sample)};
  if (target.sample.rank() == 0) throw Error("{} cannot become a single number", text(type));
  if (target.batch_axis < 0 || (baked && std::ranges::none_of(sizes, [](const Size& size) { return size.free != 0; }))) {
    if (!baked)
      throw Error("{} to {} fixes the size of the batch; export the network with a free batch axis", text(type), target.sample);
    target.batch_axis = baked_axis(type, target.sample);
  }
  if (target.sample.size(0, target.batch_axis) == type.shape.size(0, type.batch_axis)) {
    const Var same = target.sample == type.shape && target.batch_axis == type.batch_axis ? x.var : Var();
    return {nullptr, same ? same : reshape(x.var, target.sample, target.batch_axis)};
  }
  if (target.batch_axis == 0 && merged_axes(type, target.sample[0]) > 0) return merge(x.var, target.sample);
  throw Error("{} to {} would take samples apart; the batch must stay whole", text(type), target.sample);
}

}  // namespace safer::onnx
