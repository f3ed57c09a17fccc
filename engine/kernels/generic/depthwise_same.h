#pragma once

#include <bit>

#include "engine/kernels/generic/epilogue.h"
#include "engine/kernels/generic/scratch.h"

// The commonest depthwise convolution, 3 x 3 with stride 1 and one row of padding all around. Pixels are read where they are: what
// the first column takes from its left and the last from its right belongs to other rows and is masked out. Only the rows at the
// top and at the bottom are copied, to where zeros surround them.
namespace safer::kernels {
namespace {

inline bool is_same_3x3(const WindowAxis& axis) {
  return axis.taps == 3 && axis.stride == 1 && axis.dilation == 1 && axis.before == 1 && axis.out == axis.in;
}

class SameRows {
 public:
  SameRows(std::int64_t image_rows, std::int64_t image_columns) : rows_(image_rows), columns_(image_columns) {
    constexpr std::int64_t few = 8, floats = 1 << 11;
    copies_all_ = rows_ < few;
    strip_ = std::max<std::int64_t>(1, floats / columns_);
  }

  /// Planes begin .. begin + planes - 1, y (+)= start(plane) + x * w(plane); finish(plane, offset, count) follows for rows that are
  /// complete.
  template <class Start, class Weight, class Finish>
  void run(std::int64_t begin, std::int64_t planes, T* y, const T* x, bool add, const Start& start, const Weight& w,
           const Finish& finish) const {
    thread_local Scratch scratch;
    T* const masks = scratch.floats(2 * mask_size() + copied_rows() * columns_ + 2 * margin());
    T* const copied = masks + 2 * mask_size() + margin();
    make_masks(masks);
    std::fill_n(copied - margin(), copied_rows() * columns_ + 2 * margin(), 0.f);
    for (std::int64_t plane = begin; plane < begin + planes; ++plane) {
      const std::int64_t first = plane * rows_ * columns_;
      const auto some_rows = [&](std::int64_t from_row, std::int64_t count, const T* from) {
        const std::int64_t at = from_row * columns_;
        rows(masks, y + first + at, from, count, w(plane), start(plane), add);
        finish(plane, at, count * columns_);
      };
      each_run(copied, x + first, some_rows);
    }
  }

 private:
  static constexpr std::int64_t edge = 2;  // rows whose neighbours' neighbours may lie outside the image
  std::int64_t mask_size() const { return columns_ + lanes; }
  std::int64_t margin() const { return columns_ + 1 + lanes; }
  std::int64_t copied_rows() const { return copies_all_ ? rows_ : edge + 1; }

  /// masks[c ...]: the lanes of a vector that starts in column c which have a left neighbour; then those with a right one.
  void make_masks(T* masks) const {
    const T ones = std::bit_cast<T>(~std::uint32_t{0});
    for (std::int64_t c = 0; c < mask_size(); ++c) {
      masks[c] = c % columns_ == 0 ? 0.f : ones;
      masks[mask_size() + c] = c % columns_ == columns_ - 1 ? 0.f : ones;
    }
  }

  /// f(row, count, where the pixels of the first one stand) for runs of rows whose neighbours above and below can be read.
  template <class F>
  void each_run(T* copied, const T* x, const F& f) const {
    const auto copy = [&](std::int64_t row, std::int64_t count, T* to) {
      each_overlapping(count * columns_, true,
                       [=, from = x + row * columns_](std::int64_t i, auto at) { at.store(to + i, at.load(from + i)); });
    };
    if (copies_all_) {
      copy(0, rows_, copied);
      return f(0, rows_, copied);
    }
    copy(0, edge + 1, copied);
    std::fill_n(copied - columns_, columns_, 0.f);
    f(0, edge, copied);
    for (std::int64_t row = edge; row < rows_ - edge; row += strip_)
      f(row, std::min(strip_, rows_ - edge - row), x + row * columns_);
    copy(rows_ - edge - 1, edge + 1, copied - columns_);
    std::fill_n(copied + edge * columns_, columns_, 0.f);
    f(rows_ - edge, edge, copied);
  }

  /// y (+)= start + x * w for `count` rows.
  void rows(const T* masks, T* y, const T* from, std::int64_t count, const T* w, T start, bool add) const {
    if (columns_ < lanes) return narrow_rows(masks, y, from, count * columns_, w, start, add);
    std::int64_t i = 0;
    const auto together = [&](auto rows) {
      for (; i + rows <= count; i += rows) wide_rows<rows>(masks, y + i * columns_, from + i * columns_, w, start, add);
    };
    together(std::integral_constant<int, 4>{});
    together(std::integral_constant<int, 2>{});
    together(std::integral_constant<int, 1>{});
  }

  /// `count` rows side by side: each vector that is read serves all that see it.
  template <std::size_t count>
  void wide_rows(const T* masks, T* y, const T* from, const T* w, T start, bool add) const {
    const std::int64_t columns = columns_;
    const T* const right_masks = masks + mask_size();
    Batch weight[9];
    unroll<9>([&](auto k) __attribute__((always_inline)) { weight[k] = Batch(w[k]); });
    const auto column = [&](std::int64_t j, auto at, auto masked) __attribute__((always_inline)) {
      Batch sum[count];
      unroll<count>([&](auto i) __attribute__((always_inline)) { sum[i] = add ? at.load(y + i * columns + j) : Batch(start); });
      unroll<count + 2>([&](auto r) __attribute__((always_inline)) {
        unroll<3>([&](auto t) __attribute__((always_inline)) {
          Batch x = load(from + (r - 1) * columns + j + t - 1);
          if constexpr (masked && t != 1) x = x & load((t == 0 ? masks : right_masks) + j);
          unroll<count>([&](auto i) __attribute__((always_inline)) {
            constexpr int s = r - i;
            if constexpr (s >= 0 && s < 3) sum[i] = mul_add(weight[s * 3 + t], x, sum[i]);
          });
        });
      });
      unroll<count>([&](auto i) __attribute__((always_inline)) { at.store(y + i * columns + j, sum[i]); });
    };
    column(0, Whole{}, std::true_type{});
    std::int64_t j = lanes;
    for (; j + lanes < columns; j += lanes) column(j, Whole{}, std::false_type{});
    if (j >= columns) return;
    if (add && j + lanes > columns)
      column(j, Part{first(columns - j)}, std::true_type{});
    else
      column(columns - lanes, Whole{}, std::true_type{});
  }

  /// Rows shorter than a vector, of `count` pixels in all, as one long row.
  void narrow_rows(const T* masks, T* y, const T* from, std::int64_t count, const T* w, T start, bool add) const {
    Batch weight[9];
    unroll<9>([&](auto k) __attribute__((always_inline)) { weight[k] = Batch(w[k]); });
    const auto pixels = [&](std::int64_t i, std::int64_t column, auto at) __attribute__((always_inline)) {
      Batch left(0.f), middle = add ? at.load(y + i) : Batch(start), right(0.f);
      unroll<3>([&](auto s) __attribute__((always_inline)) {
        const T* const row = from + i + (s - 1) * columns_;
        left = mul_add(weight[3 * s], load(row - 1), left);
        middle = mul_add(weight[3 * s + 1], load(row), middle);
        right = mul_add(weight[3 * s + 2], load(row + 1), right);
      });
      const Batch sides = (left & load(masks + column)) + (right & load(masks + mask_size() + column));
      at.store(y + i, middle + sides);
    };
    std::int64_t i = 0, column = 0;
    for (; i + lanes <= count; i += lanes) {
      pixels(i, column, Whole{});
      for (column += lanes; column >= columns_;) column -= columns_;
    }
    if (i == count) return;
    if (!add && count >= lanes)
      pixels(count - lanes, (count - lanes) % columns_, Whole{});
    else
      pixels(i, column, Part{first(count - i)});
  }

  std::int64_t rows_, columns_;
  std::int64_t strip_;  // rows between two calls of finish
  bool copies_all_;
};

}  // namespace
}  // namespace safer::kernels
