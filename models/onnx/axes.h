#pragma once

#include <vector>

#include "engine/shape.h"

/// What operators that move elements say about axes, worked out for a shape. All throw Error when it does not fit the shape.
namespace safer::onnx {

/// The axes that Squeeze removes: those given, or all of size 1 when none is.
std::vector<int> squeezed_axes(const Shape& shape, const std::vector<std::int64_t>& given);
Shape without_axes(const Shape& shape, const std::vector<int>& axes);
/// With axes of size 1 at these places of the result.
Shape with_axes(const Shape& shape, const std::vector<std::int64_t>& given);
/// Transpose's axes; reversed when none are given.
std::vector<std::int64_t> permutation_of(int rank, const std::vector<std::int64_t>& given);

/// `count` elements along an axis: begin, begin + step, ...; step may be negative.
struct Cut {
  int axis = 0;
  std::int64_t begin = 0, count = 0, step = 1;
};
/// Slice's cuts; `axes` and `steps` may be empty (all of them in order, 1).
std::vector<Cut> cuts(const Shape& shape, const std::vector<std::int64_t>& starts, const std::vector<std::int64_t>& ends,
                      const std::vector<std::int64_t>& axes, const std::vector<std::int64_t>& steps);
/// Sizes of `count` parts of an axis: those given, or equal ones of which the last may be smaller.
std::vector<std::int64_t> split_sizes(std::int64_t size, std::size_t count, const std::vector<std::int64_t>& given);
/// Indices along an axis of `size`, of which negative ones count from the end.
std::vector<std::int64_t> places_of(std::vector<std::int64_t> indices, std::int64_t size);

}  // namespace safer::onnx
