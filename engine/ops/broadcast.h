#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "engine/parallel.h"
#include "engine/tape/op.h"

namespace safer {

/// Nested loops that walk several arrays together, each with strides of its own (0: the same element again): broadcasting.
template <int arrays>
class Nest {
 public:
  using Offsets = std::array<std::int64_t, static_cast<std::size_t>(arrays)>;
  struct Axis {
    std::int64_t size = 1;
    Offsets step = {};
  };

  /// Appends an innermost loop; it is merged with the one before where every array is evenly spaced over both.
  void add(const Axis& axis) {
    if (axis.size == 1) return;
    if (count_ > 0 && merges(axes_[last()], axis)) {
      axes_[last()] = {axes_[last()].size * axis.size, axis.step};
      return;
    }
    axes_[static_cast<std::size_t>(count_++)] = axis;
  }
  int count() const { return count_; }
  const Axis& operator[](int axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  /// The innermost loop; one step when there is none.
  Axis inner() const { return count_ == 0 ? Axis{} : axes_[last()]; }
  std::int64_t size() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < count_; ++axis) product *= (*this)[axis].size;
    return product;
  }

  /// f(offsets) for each step of the loops first..last-1, in order, starting from `at`.
  template <class F>
  void each(int first, int end, Offsets at, const F& f) const {
    if (first >= end) return f(at);
    const Axis& axis = (*this)[first];
    for (std::int64_t i = 0; i < axis.size; ++i, advance(at, axis.step, 1)) each(first + 1, end, at, f);
  }
  /// The same for the loops 0..end-1, the outermost of them in parallel when `work` is worth it.
  template <class F>
  void each_parallel(int end, std::int64_t work, Offsets at, const F& f) const {
    if (end <= 0) return f(at);
    const Axis& axis = (*this)[0];
    parallel_for(axis.size, work, [&](std::int64_t i) {
      Offsets start = at;
      advance(start, axis.step, i);
      each(1, end, start, f);
    });
  }
  static void advance(Offsets& at, const Offsets& step, std::int64_t times) {
    for (std::size_t i = 0; i < at.size(); ++i) at[i] += times * step[i];
  }

 private:
  std::size_t last() const { return static_cast<std::size_t>(count_ - 1); }
  static bool merges(const Axis& outer, const Axis& inner) {
    for (std::size_t i = 0; i < outer.step.size(); ++i)
      if (outer.step[i] != inner.size * inner.step[i]) return false;
    return true;
  }

  std::array<Axis, Shape::max_rank + 1> axes_ = {};  // the batch axis may come as samples and rows
  int count_ = 0;
};

/// The type of a op b for operands broadcast as numpy does: aligned from the right, an axis of size 1 (or one that is missing)
/// repeats. The batch axes of both line up, or one has none and size 1 there. Throws Error, naming `op`, when they do not fit.
ValueType broadcast(std::string_view op, const ValueType& a, const ValueType& b);

/// How far apart neighbours along each axis of `whole` lie in a dense array of shape `own` that is broadcast to it: 0 along axes
/// that the array lacks or has once.
std::array<std::int64_t, Shape::max_rank> broadcast_steps(const Shape& own, const Shape& whole);

}  // namespace safer
