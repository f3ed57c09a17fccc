#include "models/onnx/axes.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"

namespace safer::onnx {

std::vector<int> squeezed_axes(const Shape& shape, const std::vector<std::int64_t>& given) {
  std::vector<int> axes;
  for (const std::int64_t axis : given) {
    axes.push_back(shape.axis(axis, "axes"));
    if (shape[axes.back()] != 1) throw Error("axis {} of {} cannot be removed, expected size 1", axis, shape);
  }
  for (int axis = 0; given.empty() && axis < shape.rank(); ++axis)
    if (shape[axis] == 1) axes.push_back(axis);
  return axes;
}

Shape without_axes(const Shape& shape, const std::vector<int>& axes) {
  Shape rest;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (std::ranges::find(axes, axis) == axes.end()) rest.push_back(shape[axis]);
  return rest;
}

Shape with_axes(const Shape& shape, const std::vector<std::int64_t>& given) {
  const auto rank = static_cast<std::int64_t>(given.size()) + shape.rank();
  if (rank > Shape::max_rank) throw Error("{} with {} more axes; at most {} are supported", shape, given.size(), Shape::max_rank);
  std::vector<bool> added(static_cast<std::size_t>(rank));
  for (const std::int64_t axis : given) {
    const std::int64_t place = axis < 0 ? axis + rank : axis;
    if (place < 0 || place >= rank || added[static_cast<std::size_t>(place)])
      throw Error("axes: {} is out of range or named twice, expected {} to {}", axis, -rank, rank - 1);
    added[static_cast<std::size_t>(place)] = true;
  }
  Shape result;
  int from = 0;
  for (const bool is_new : added) result.push_back(is_new ? 1 : shape[from++]);
  return result;
}

std::vector<std::int64_t> permutation_of(int rank, const std::vector<std::int64_t>& given) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(rank));
  std::iota(all.begin(), all.end(), 0);
  if (given.empty()) return {all.rbegin(), all.rend()};
  std::vector<std::int64_t> sorted = given;
  std::ranges::sort(sorted);
  if (sorted != all) throw Error("perm: expected each of {} axes once", rank);
  return given;
}

std::vector<Cut> cuts(const Shape& shape, const std::vector<std::int64_t>& starts, const std::vector<std::int64_t>& ends,
                      const std::vector<std::int64_t>& axes, const std::vector<std::int64_t>& steps) {
  const std::size_t count = starts.size();
  if (ends.size() != count || (!axes.empty() && axes.size() != count) || (!steps.empty() && steps.size() != count))
    throw Error("{} starts, {} ends, {} axes and {} steps, expected as many of each", count, ends.size(), axes.size(),
                steps.size());
  std::vector<Cut> all;
  for (std::size_t i = 0; i < count; ++i) {
    Cut cut{.axis = shape.axis(axes.empty() ? static_cast<std::int64_t>(i) : axes[i], "axes")};
    if (std::ranges::find(all, cut.axis, &Cut::axis) != all.end()) throw Error("axes: {} is named twice", cut.axis);
    const std::int64_t size = shape[cut.axis], step = steps.empty() ? 1 : steps[i];
    // Beyond the size, steps and places make no difference, and smaller ones do not overflow.
    cut.step = std::clamp(step, -size - 1, size + 1);
    if (step == 0) throw Error("steps: 0, expected another number");
    const auto place = [&](std::int64_t given, std::int64_t least, std::int64_t most) {
      return std::clamp(given < 0 ? std::max(given, -size - 1) + size : given, least, most);
    };
    const bool forward = step > 0;
    cut.begin = forward ? place(starts[i], 0, size) : place(starts[i], std::min<std::int64_t>(0, size - 1), size - 1);
    const std::int64_t end = forward ? place(ends[i], 0, size) : place(ends[i], -1, size - 1);
    const std::int64_t way = forward ? end - cut.begin : cut.begin - end, stride = std::abs(cut.step);
    cut.count = way <= 0 || size == 0 ? 0 : (way - 1) / stride + 1;
    all.push_back(cut);
  }
  return all;
}

std::vector<std::int64_t> split_sizes(std::int64_t size, std::size_t count, const std::vector<std::int64_t>& given) {
  if (count == 0) throw Error("a split into no parts");
  const auto parts = static_cast<std::int64_t>(count);
  std::vector<std::int64_t> sizes = given;
  const std::int64_t each = (size + parts - 1) / parts;
  for (std::int64_t left = size; sizes.size() < count && given.empty(); left -= sizes.back()) sizes.push_back(std::min(each, left));
  std::int64_t left = size;
  for (const std::int64_t part : sizes)
    if (part >= 0 && part <= left)
      left -= part;
    else
      left = -1;
  if (sizes.size() != count || left != 0) throw Error("{} parts that do not add up to the {} places of the axis", count, size);
  return sizes;
}

std::vector<std::int64_t> places_of(std::vector<std::int64_t> indices, std::int64_t size) {
  for (std::int64_t& index : indices) {
    if (index < -size || index >= size) throw Error("indices: {} is out of range for an axis of {}", index, size);
    if (index < 0) index += size;
  }
  return indices;
}

}  // namespace safer::onnx
