#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "engine/format.h"

namespace safer {

/// The sizes of a tensor's axes, outermost first (row-major, NCHW for images). A value type of fixed size: building
/// and copying one never allocates.
class Shape {
 public:
  static constexpr int max_rank = 8;

  Shape() = default;  // rank 0: one element
  Shape(std::initializer_list<std::int64_t> axes) : Shape(std::span<const std::int64_t>(axes.begin(), axes.size())) {}
  /// Throws Error for more than max_rank axes, a negative size, or a product that does not fit into 63 bits.
  explicit Shape(std::span<const std::int64_t> axes);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  std::int64_t& operator[](int axis) { return axes_[static_cast<std::size_t>(axis)]; }
  const std::int64_t* begin() const { return axes_.data(); }
  const std::int64_t* end() const { return axes_.data() + rank_; }

  /// Product of all sizes; 1 for rank 0.
  std::int64_t size() const { return size(0, rank_); }
  /// Product of the sizes of axes first..last-1.
  std::int64_t size(int first, int last) const;
  /// Appends an axis. Throws Error beyond max_rank.
  void push_back(std::int64_t size);
  /// Replaces axis -1 by rank-1 and so on. Throws Error when out of range, naming `who`.
  int axis(std::int64_t index, std::string_view who) const;

  bool operator==(const Shape&) const = default;
  std::string str() const;  // "[2, 3]"

 private:
  std::array<std::int64_t, max_rank> axes_{};  // unused places stay 0, so that == may compare them
  int rank_ = 0;
};

}  // namespace safer

template <>
struct fmt::formatter<safer::Shape> {
  constexpr auto parse(fmt::format_parse_context& context) const { return context.begin(); }
  template <class Context>
  auto format(const safer::Shape& shape, Context& context) const {
    return std::ranges::copy(shape.str(), context.out()).out;
  }
};
