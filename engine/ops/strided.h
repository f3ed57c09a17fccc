#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "engine/ops/broadcast.h"

/// Copies and sums between arrays with strides of their own: what concat, slice, pad, transpose, expand and reductions share.
namespace safer {

/// Loops over an array that is written and one that is read.
using Walk = Nest<2>;
inline Walk::Axis walk_axis(std::int64_t size, std::int64_t to, std::int64_t from) { return {size, {to, from}}; }

using Steps = std::array<std::int64_t, Shape::max_rank>;
/// How far apart neighbours along each axis of a dense array lie; 0 along axes of size 1.
inline Steps dense_steps(const Shape& shape) { return broadcast_steps(shape, shape); }
inline std::int64_t at(const Steps& steps, int axis) { return steps[static_cast<std::size_t>(axis)]; }

template <class T>
void copy_row(T* to, const T* from, const Walk::Axis& row, T alpha, bool accumulate) {
  const auto each = [&](auto put) {
    if (row.step == Walk::Offsets{1, 1})
      for (std::int64_t k = 0; k < row.size; ++k) put(to[k], from[k]);
    else
      for (std::int64_t k = 0; k < row.size; ++k) put(to[k * row.step[0]], from[k * row.step[1]]);
  };
  if (accumulate)
    each([alpha](T& y, T x) { y += alpha * x; });
  else
    each([alpha](T& y, T x) { y = alpha * x; });
}

/// The loop along which the array read is contiguous where that is not the innermost one: a transposition. Else -1.
inline int across(const Walk& walk) {
  int found = -1;
  if (walk.inner().step[1] > 1)
    for (int axis = 0; axis < walk.count() - 1; ++axis)
      if (walk[axis].step[1] == 1) found = axis;
  return found;
}

/// to (+)= alpha from. The loops meet no element of `to` twice.
template <class T>
void copy(const Walk& walk, T* to, const T* from, bool accumulate, T alpha = 1) {
  constexpr std::int64_t strip = 16;
  const Walk::Axis row = walk.inner();
  const int contiguous = across(walk);
  if (contiguous < 0) {
    walk.each_parallel(walk.count() - 1, walk.size(), {},
                       [&](const auto& start) { copy_row(to + start[0], from + start[1], row, alpha, accumulate); });
    return;
  }
  Walk others;
  for (int axis = 0; axis < walk.count() - 1; ++axis)
    if (axis != contiguous) others.add(walk[axis]);
  // Strips of both axes, so that a cache line is used up before it is dropped.
  const Walk::Axis column = walk[contiguous];
  others.each_parallel(others.count(), walk.size(), {}, [&](const auto& start) {
    for (std::int64_t c = 0; c < column.size; c += strip)
      for (std::int64_t r = 0; r < row.size; ++r)
        copy_row(to + start[0] + c * column.step[0] + r * row.step[0], from + start[1] + c + r * row.step[1],
                 walk_axis(std::min(strip, column.size - c), column.step[0], 1), alpha, accumulate);
  });
}

/// to (+)= alpha times the sum of `from` over the loops `summed`, for each step of the loops `kept`. Sums in double and in the
/// order of the loops.
template <class T>
void sum_along(const Walk& kept, const Walk& summed, T* to, const T* from, bool accumulate, T alpha = 1) {
  constexpr std::int64_t block = 256;
  const Walk::Axis row = kept.inner(), inner = summed.inner();
  const auto sum_block = [&](T* y, const T* x, std::int64_t size) {
    std::array<double, block> sums{};
    summed.each(0, summed.count() - 1, {}, [&](const auto& start) {
      for (std::int64_t n = 0; n < inner.size; ++n)
        for (std::int64_t k = 0; k < size; ++k)
          sums[static_cast<std::size_t>(k)] += double{x[start[1] + n * inner.step[1] + k * row.step[1]]};
    });
    for (std::int64_t k = 0; k < size; ++k) {
      T& target = y[k * row.step[0]];
      const T value = static_cast<T>(double{alpha} * sums[static_cast<std::size_t>(k)]);
      target = accumulate ? target + value : value;
    }
  };
  kept.each_parallel(kept.count() - 1, kept.size() * summed.size(), {}, [&](const auto& start) {
    for (std::int64_t first = 0; first < row.size; first += block)
      sum_block(to + start[0] + first * row.step[0], from + start[1] + first * row.step[1], std::min(block, row.size - first));
  });
}

}  // namespace safer
