#pragma once

#include "engine/kernels/generic/conv_sizes.h"
#include "engine/kernels/generic/depthwise_same.h"
#include "engine/kernels/generic/runs.h"

// Convolutions in which every channel sees itself alone. Memory bounds them, so each plane is read once: strips of rows are copied
// with their padding to where they stay in the cache, and the columns that a stride separates are dealt out into runs, so that
// neighbouring outputs read neighbouring floats. Loops over columns then know neither edges nor strides.
namespace safer::kernels {
namespace {

constexpr std::int64_t most_taps = 16;  // along each axis

inline bool is_depthwise(const Conv& conv) {
  return conv.groups == conv.in_channels && conv.groups == conv.out_channels && conv.rows.taps <= most_taps &&
         conv.columns.taps <= most_taps;
}

/// How rows of a plane are copied and dealt out: element p of a row is column p - before of the image, 0 where there is none.
struct CopiedRows {
  explicit CopiedRows(const Conv& conv)
      : rows(conv.rows), columns(conv.columns), runs(length(conv.columns), conv.columns.stride), row(runs.size()) {
    constexpr std::int64_t floats = 1 << 11;  // of a strip: few enough to stay in the cache beside what is read and written
    constexpr std::int64_t together = 4;      // output rows that are computed together
    const std::int64_t fitting = (floats / row - taps_reach(rows) - 1) / rows.stride + 1;
    strip = std::max(together, fitting / together * together);
  }

  /// Where tap t of output 0 stands in a copied row; output j stands j further.
  std::int64_t place(std::int64_t t) const { return runs.place(t * columns.dilation); }
  /// Copied rows of `count` output rows.
  std::int64_t height(std::int64_t count) const { return (count - 1) * rows.stride + taps_reach(rows) + 1; }
  std::int64_t size() const { return height(strip) * row; }

  /// Copies what output rows first .. first + count - 1 read to where all that has no image is 0 already, or once was a row.
  void copy(T* to, const T* plane, std::int64_t first, std::int64_t count) const {
    const std::int64_t top = first * rows.stride - rows.before;
    for (std::int64_t r = 0; r < height(count); ++r, to += row)
      if (top + r >= 0 && top + r < rows.in)
        copy_row(to, plane + (top + r) * columns.in);
      else if (strip < rows.out)
        std::fill_n(to, row, 0.f);
  }

  WindowAxis rows, columns;
  Runs runs;
  std::int64_t row;    // floats of a copied row
  std::int64_t strip;  // output rows that are worked on at a time

 private:
  /// Columns that are copied: what windows read, or all that there are.
  static std::int64_t length(const WindowAxis& axis) {
    return std::max((axis.out - 1) * axis.stride + taps_reach(axis) + 1, axis.before + axis.in);
  }

  /// Whole vectors are stored, whose lanes behind the image are 0.
  void copy_row(T* to, const T* from) const {
    const std::int64_t stride = columns.stride, skipped = std::max<std::int64_t>(0, -columns.before);
    const std::int64_t before = std::max<std::int64_t>(0, columns.before), count = columns.in - skipped;
    from += skipped;
    if (stride == 1) {
      each_overlapping(count, true, [=](std::int64_t i, auto at) { store(to + before + i, at.load(from + i)); });
    } else if (stride == 2) {
      T *const even = to + runs.place(before), *const odd = to + runs.place(before + 1);
      const auto deal = [=](std::int64_t i, Batch a, Batch b) {
        Batch evens, odds;
        unzip(a, b, evens, odds);
        store(even + i / 2, evens);
        store(odd + i / 2, odds);
      };
      std::int64_t i = 0;
      for (; i + 2 * lanes <= count; i += 2 * lanes) deal(i, load(from + i), load(from + i + lanes));
      if (i + lanes <= count)
        deal(i, load(from + i), load(from + i + lanes, first(count - i - lanes)));
      else if (i < count)
        deal(i, load(from + i, first(count - i)), Batch(0.f));
    } else {
      for (std::int64_t i = 0; i < count; ++i) to[runs.place(before + i)] = from[i];
    }
  }
};

/// One output row from copied rows, any window: y (+)= start + sum of w x.
inline void depthwise_row(const CopiedRows& copied, T* y, const T* from, const T* w, T start, bool add) {
  const std::int64_t taps = copied.columns.taps, step = copied.rows.dilation * copied.row;
  std::int64_t place[most_taps];
  for (std::int64_t t = 0; t < taps; ++t) place[t] = copied.place(t);
  each_overlapping(
      copied.columns.out, !add, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch sum = add ? at.load(y + j) : Batch(start);
        const T* weight = w;
        for (std::int64_t s = 0; s < copied.rows.taps; ++s)
          for (std::int64_t t = 0; t < taps; ++t) sum = mul_add(Batch(*weight++), load(from + s * step + place[t] + j), sum);
        at.store(y + j, sum);
      });
}

/// `count` output rows of a 3 x 3 window at once: each vector that is read serves all rows that see it.
template <int stride, std::size_t count>
inline void depthwise_rows_3x3(const CopiedRows& copied, T* y, const T* from, const T* w, T start, bool add) {
  const std::int64_t out = copied.columns.out, row = copied.row;
  const T* const tap[3] = {from + copied.place(0), from + copied.place(1), from + copied.place(2)};
  Batch weight[9];
  unroll<9>([&](auto k) __attribute__((always_inline)) { weight[k] = Batch(w[k]); });
  each_overlapping(
      out, !add, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch sum[count];
        unroll<count>([&](auto i) __attribute__((always_inline)) { sum[i] = add ? at.load(y + i * out + j) : Batch(start); });
        unroll<(count - 1) * stride + 3>([&](auto r) __attribute__((always_inline)) {
          unroll<3>([&](auto t) __attribute__((always_inline)) {
            const Batch x = load(tap[t] + r * row + j);
            unroll<count>([&](auto i) __attribute__((always_inline)) {
              constexpr int s = r - i * stride;
              if constexpr (s >= 0 && s < 3) sum[i] = mul_add(weight[s * 3 + t], x, sum[i]);
            });
          });
        });
        unroll<count>([&](auto i) __attribute__((always_inline)) { at.store(y + i * out + j, sum[i]); });
      });
}

inline bool is_3x3(const CopiedRows& copied) {
  return copied.rows.taps == 3 && copied.columns.taps == 3 && copied.rows.dilation == 1 && copied.rows.stride <= 2;
}

/// Output rows 0 .. count - 1 of a strip.
inline void depthwise_strip(const CopiedRows& copied, std::int64_t count, T* y, const T* from, const T* w, T start, bool add) {
  const std::int64_t out = copied.columns.out, step = copied.rows.stride * copied.row;
  std::int64_t i = 0;
  if (is_3x3(copied)) {
    const auto rows = [&](auto stride, auto together) {
      for (; i + together <= count; i += together)
        depthwise_rows_3x3<stride, together>(copied, y + i * out, from + i * step, w, start, add);
    };
    using std::integral_constant;
    constexpr integral_constant<int, 1> one{};
    constexpr integral_constant<int, 2> two{};
    if (copied.rows.stride == 1) rows(one, integral_constant<int, 4>{}), rows(one, two), rows(one, one);
    if (copied.rows.stride == 2) rows(two, two), rows(two, one);
    return;
  }
  for (; i < count; ++i) depthwise_row(copied, y + i * out, from + i * step, w, start, add);
}

/// Planes first .. first + count - 1, y (+)= start(plane) + x * w(plane); finish(plane, offset, count) follows for rows that are
/// complete.
template <class Start, class Weight, class Finish>
inline void depthwise_planes(const CopiedRows& copied, std::int64_t begin, std::int64_t planes, T* y, const T* x, bool add,
                             const Start& start, const Weight& w, const Finish& finish) {
  if (is_same_3x3(copied.rows) && is_same_3x3(copied.columns))
    return SameRows(copied.rows.in, copied.columns.in).run(begin, planes, y, x, add, start, w, finish);
  thread_local Scratch scratch;
  T* const rows = scratch.floats(copied.size());
  std::fill_n(rows, copied.size(), 0.f);
  const std::int64_t in = copied.rows.in * copied.columns.in, out = copied.rows.out * copied.columns.out;
  for (std::int64_t plane = begin; plane < begin + planes; ++plane)
    for (std::int64_t first = 0; first < copied.rows.out; first += copied.strip) {
      const std::int64_t count = std::min(copied.strip, copied.rows.out - first), at = first * copied.columns.out;
      copied.copy(rows, x + plane * in, first, count);
      depthwise_strip(copied, count, y + plane * out + at, rows, w(plane), start(plane), add);
      finish(plane, at, count * copied.columns.out);
    }
}

/// Operations of one plane.
inline std::int64_t depthwise_cost(const Conv& conv) { return std::max(in_pixels(conv), out_pixels(conv)) * (taps(conv) + 2) / 4; }

inline void depthwise_conv2d(const Conv& conv, T* y, const T* x, const T* w, const Epilogue<T>& epilogue) {
  const CopiedRows copied(conv);
  const std::int64_t channels = conv.in_channels, out = out_pixels(conv);
  const auto start = [&](std::int64_t plane) { return epilogue.bias ? epilogue.bias[plane % channels] : 0; };
  const auto weight = [&](std::int64_t plane) { return w + plane % channels * taps(conv); };
  const auto complete = [&](std::int64_t plane, std::int64_t at, std::int64_t count) {
    const std::int64_t first = plane * out + at;
    if (epilogue.residual) binary<Binary::add>(y + first, y + first, 1, epilogue.residual + first, 1, count, 1, false);
    if (epilogue.activates) activate(y + first, count, epilogue);
  };
  parallel_blocks(conv.samples * channels, depthwise_cost(conv), [&](std::int64_t first, std::int64_t count) {
    depthwise_planes(copied, first, count, y, x, false, start, weight, complete);
  });
}

}  // namespace
}  // namespace safer::kernels
