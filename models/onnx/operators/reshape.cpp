#include "models/onnx/operators/reshape.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"

namespace safer::onnx {
namespace {

/// The sizes of one sample, and which of them the batch multiplies; -1: nothing says it.
struct ReshapedType {
  Shape sample;
  int batch_axis = -1;
};

ReshapedType target_of(const ValueType& x, const std::vector<Size>& sizes) {
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

/// Whether the rows of x before its batch axis can be seen as one axis together with the batch and some rows of each sample.
bool merges(const ValueType& x, const Shape& sample) {
  const std::int64_t before = x.shape.size(0, x.batch_axis);
  return sample.rank() > 1 && before > 0 && sample[0] % before == 0;
}

/// The axis of the batch in sizes that were written for one sample.
int baked_axis(const ValueType& x, const Shape& sample) {
  const std::int64_t before = x.shape.size(0, x.batch_axis);
  const auto fits = [&](int axis) { return axis < sample.rank() && sample.size(0, axis) == before; };
  if (fits(x.batch_axis) && sample[x.batch_axis] == x.shape[x.batch_axis]) return x.batch_axis;
  for (int axis = 0; axis < sample.rank() - 1; ++axis)
    if (fits(axis)) return axis;
  return merges(x, sample) ? 0 : sample.rank() - 1;
}

/// x of the sizes `sample`, whose first axis is two on the tape: the rows before the batch, and the batch.
Value merge(Var x, const Shape& sample) {
  const std::int64_t before = x.shape().size(0, x.type().batch_axis);
  Shape kept{before, sample[0] / before};
  for (int axis = 1; axis < sample.rank(); ++axis) kept.push_back(sample[axis]);
  const bool same = kept == x.shape() && x.type().batch_axis == 1;
  return {nullptr, same ? x : reshape(x, kept, 1), 2};
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
  ReshapedType target = target_of(type, sizes);
  if (target.sample.size() != type.shape.size())
    throw Error("{} has {} elements a sample, but {} has {}", text(type), type.shape.size(), target.sample, target.sample.size());
  if (!type.batched()) return {nullptr, reshape(x.var, target.sample)};
  if (target.sample.rank() == 0) throw Error("{} cannot become a single number", text(type));
  // Sizes that leave no room for the batch were written for one sample, whatever the file says about its input: PyTorch's exporter
  // mixes them with others.
  const bool fixed = std::ranges::none_of(sizes, [](const Size& size) { return size.free != 0; });
  if (target.batch_axis < 0 || (baked && fixed)) target.batch_axis = baked_axis(type, target.sample);
  if (target.sample.size(0, target.batch_axis) == type.shape.size(0, type.batch_axis)) {
    const Var same = target.sample == type.shape && target.batch_axis == type.batch_axis ? x.var : Var();
    return {nullptr, same ? same : reshape(x.var, target.sample, target.batch_axis)};
  }
  if (target.batch_axis == 0 && merges(type, target.sample)) return merge(x.var, target.sample);
  throw Error("{} to {} would take samples apart; the batch must stay whole", text(type), target.sample);
}

}  // namespace safer::onnx
