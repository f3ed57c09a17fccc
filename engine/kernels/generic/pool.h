#pragma once

#include <limits>

#include "engine/kernels/generic/reduce.h"
#include "engine/kernels/generic/runs.h"
#include "engine/kernels/generic/scratch.h"

// Pooling, one row of windows at a time: first down the columns of the image, whole rows at once, into a row with room for the
// padding; then along that row, dealt out by the stride.
namespace safer::kernels {
namespace {

/// The taps of one window that lie on the axis: first .. last - 1; the place of the first.
struct Taps {
  std::int64_t first, last, place;
};
inline Taps taps_inside(const WindowAxis& axis, std::int64_t o) {
  const std::int64_t start = o * axis.stride - axis.before;
  const std::int64_t first = start >= 0 ? 0 : pieces(-start, axis.dilation);
  const std::int64_t last = std::min(axis.taps, pieces(axis.in - start, axis.dilation));
  return {first, last, start + first * axis.dilation};
}

/// Taps of window o that an average counts.
inline T counted_taps(const WindowAxis& axis, std::int64_t o, bool counts_padding, std::int64_t after) {
  const std::int64_t start = o * axis.stride - axis.before;
  if (counts_padding) return T(std::min(axis.taps, pieces(axis.in + after - start, axis.dilation)));
  const Taps inside = taps_inside(axis, o);
  return T(inside.last - inside.first);
}

inline std::int64_t in_pixels(const Pool& pool) { return pool.rows.in * pool.columns.in; }
inline std::int64_t out_pixels(const Pool& pool) { return pool.rows.out * pool.columns.out; }
/// Operations of one plane.
inline std::int64_t pool_cost(const Pool& pool) { return pool.rows.out * pool.columns.in * pool.rows.taps / 4; }

/// A padded row of an image and the runs that it is dealt into. Column c of the image is element c + before.
struct PaddedRow {
  explicit PaddedRow(const WindowAxis& columns)
      : axis(columns),
        reach(
            std::max((columns.out - 1) * columns.stride + (columns.taps - 1) * columns.dilation + 1, columns.before + columns.in)),
        runs(reach, columns.stride) {}

  std::int64_t row_size() const { return reach + 2 * lanes; }
  std::int64_t size() const { return row_size() + runs.size() + lanes; }
  /// Where the window's tap t of output 0 stands, output j behind it.
  std::int64_t tap(std::int64_t t) const { return runs.place(t * axis.dilation); }
  /// What along() reads: the row itself where windows are neighbours.
  const T* dealt(T* row) const {
    if (axis.stride == 1) return row;
    runs.deal(row + row_size(), row, reach);
    return row + row_size();
  }

  WindowAxis axis;
  std::int64_t reach;  // from the first element that a window sees to the last, or to the end of the image
  Runs runs;
};

/// to[j] = combine of x[row][j] over the rows under window i.
template <class Combine>
[[gnu::always_inline]] inline void down(const Pool& pool, std::int64_t i, T* to, const T* x, const Combine& combine) {
  const Taps rows = taps_inside(pool.rows, i);
  const std::int64_t step = pool.rows.dilation * pool.columns.in, last = (rows.last - rows.first) * step;
  const T* const first = x + rows.place * pool.columns.in;
  each_overlapping(
      pool.columns.in, true, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch all = at.load(first + j);
        for (std::int64_t s = step; s < last; s += step) all = combine(all, at.load(first + s + j));
        at.store(to + j, all);
      });
}

/// to[j] = combine over the taps of a window.
template <class Combine>
[[gnu::always_inline]] inline void along(const PaddedRow& padded, T* to, T* row, const Combine& combine) {
  const T* const from = padded.dealt(row);
  each_overlapping(
      padded.axis.out, true, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch all = at.load(from + j);
        for (std::int64_t t = 1; t < padded.axis.taps; ++t) all = combine(all, at.load(from + padded.tap(t) + j));
        at.store(to + j, all);
      });
}

struct Larger {
  [[gnu::always_inline]] Batch operator()(Batch a, Batch b) const { return larger(a, b); }
};
struct Plus {
  [[gnu::always_inline]] Batch operator()(Batch a, Batch b) const { return a + b; }
};

inline void max_pool(const Pool& pool, T* y, const T* x) {
  const PaddedRow padded(pool.columns);
  parallel_blocks(pool.planes, pool_cost(pool), [&](std::int64_t begin, std::int64_t count) {
    thread_local Scratch scratch;
    T* const row = scratch.floats(padded.size());
    std::fill_n(row, padded.size(), -std::numeric_limits<T>::infinity());
    for (std::int64_t plane = begin; plane < begin + count; ++plane)
      for (std::int64_t i = 0; i < pool.rows.out; ++i) {
        down(pool, i, row + pool.columns.before, x + plane * in_pixels(pool), Larger{});
        along(padded, y + plane * out_pixels(pool) + i * pool.columns.out, row, Larger{});
      }
  });
}

/// Lanes in which `next` takes the place of the best element so far: it is larger or NaN, or equal and from an earlier row.
[[gnu::always_inline]] inline auto comes_before(Batch next, Batch next_row, Batch best, Batch best_row) {
  const auto nan = xsimd::isnan(next), best_nan = xsimd::isnan(best);
  const auto equal = (next == best) || (nan && best_nan);
  return (next > best) || (nan && !best_nan) || (equal && (next_row < best_row));
}

/// The largest elements down the columns under window i, and in which of its rows each stands: the first of equal ones.
inline void down_with_rows(const Pool& pool, const Taps& rows, T* most, T* which, const T* x) {
  const std::int64_t step = pool.rows.dilation * pool.columns.in;
  const T* const first = x + rows.place * pool.columns.in;
  each_overlapping(
      pool.columns.in, true, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch best = at.load(first + j), row(0.f);
        for (std::int64_t s = 1; s < rows.last - rows.first; ++s) {
          const Batch next = at.load(first + s * step + j);
          const auto better = comes_before(next, row, best, row);
          best = xsimd::select(better, next, best);
          row = xsimd::select(better, Batch(T(s)), row);
        }
        at.store(most + j, best);
        at.store(which + j, row);
      });
}

/// The row and the tap of each window's largest element, from what down_with_rows() left.
inline void along_with_taps(const PaddedRow& padded, T* rows, T* taps, T* most, T* which) {
  const T *const values = padded.dealt(most), *const numbers = padded.dealt(which);
  each_overlapping(
      padded.axis.out, true, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch best = at.load(values + j), row = at.load(numbers + j), tap(0.f);
        for (std::int64_t t = 1; t < padded.axis.taps; ++t) {
          const Batch next = at.load(values + padded.tap(t) + j), next_row = at.load(numbers + padded.tap(t) + j);
          const auto better = comes_before(next, next_row, best, row);
          best = xsimd::select(better, next, best);
          row = xsimd::select(better, next_row, row);
          tap = xsimd::select(better, Batch(T(t)), tap);
        }
        at.store(rows + j, row);
        at.store(taps + j, tap);
      });
}

inline void max_pool_gradient(const Pool& pool, T* dx, const T* dy, const T* x, bool accumulate) {
  const WindowAxis& columns = pool.columns;
  const PaddedRow padded(columns);
  parallel_blocks(pool.planes, 2 * pool_cost(pool), [&](std::int64_t begin, std::int64_t count) {
    thread_local Scratch scratch;
    T* const most = scratch.floats(2 * padded.size() + 2 * columns.out);
    T *const which = most + padded.size(), *const row_of = which + padded.size(), *const tap_of = row_of + columns.out;
    std::fill_n(most, padded.size(), -std::numeric_limits<T>::infinity());
    std::fill_n(which, padded.size(), std::numeric_limits<T>::max());  // no element stands behind padding
    for (std::int64_t plane = begin; plane < begin + count; ++plane) {
      T* const to = dx + plane * in_pixels(pool);
      const T* by = dy + plane * out_pixels(pool);
      if (!accumulate) std::fill_n(to, in_pixels(pool), 0.f);
      for (std::int64_t i = 0; i < pool.rows.out; ++i, by += columns.out) {
        const Taps rows = taps_inside(pool.rows, i);
        down_with_rows(pool, rows, most + columns.before, which + columns.before, x + plane * in_pixels(pool));
        along_with_taps(padded, row_of, tap_of, most, which);
        T* const first = to + rows.place * columns.in - columns.before;
        for (std::int64_t j = 0; j < columns.out; ++j)
          first[std::int64_t(row_of[j]) * pool.rows.dilation * columns.in + j * columns.stride +
                std::int64_t(tap_of[j]) * columns.dilation] += by[j];
      }
    }
  });
}

/// How many taps each column of windows counts.
inline void count_columns(const Pool& pool, T* counts) {
  for (std::int64_t j = 0; j < pool.columns.out; ++j) counts[j] = counted_taps(pool.columns, j, pool.counts_padding, pool.right);
}

inline void average_pool(const Pool& pool, T* y, const T* x) {
  const std::int64_t out = pool.columns.out;
  const PaddedRow padded(pool.columns);
  parallel_blocks(pool.planes, pool_cost(pool), [&](std::int64_t begin, std::int64_t count) {
    thread_local Scratch scratch;
    T* const row = scratch.floats(padded.size() + out);
    T* const counts = row + padded.size();
    std::fill_n(row, padded.size(), 0.f);
    count_columns(pool, counts);
    for (std::int64_t plane = begin; plane < begin + count; ++plane)
      for (std::int64_t i = 0; i < pool.rows.out; ++i) {
        T* const to = y + plane * out_pixels(pool) + i * out;
        down(pool, i, row + pool.columns.before, x + plane * in_pixels(pool), Plus{});
        along(padded, to, row, Plus{});
        const Batch height(counted_taps(pool.rows, i, pool.counts_padding, pool.bottom));
        each(0, out, [=](std::int64_t j, auto at) { at.store(to + j, quotient(at.load(to + j), height * at.load(counts + j))); });
      }
  });
}

/// Adds one row of windows, dy / count, to the rows of dx under them.
inline void spread_average(const Pool& pool, const PaddedRow& padded, std::int64_t i, T* dx, const T* dy, const T* counts, T* row) {
  const WindowAxis& columns = pool.columns;
  T* const runs = columns.stride == 1 ? row : row + padded.row_size();
  std::fill_n(runs, columns.stride == 1 ? padded.row_size() : padded.runs.size(), 0.f);
  const Batch height(counted_taps(pool.rows, i, pool.counts_padding, pool.bottom));
  for (std::int64_t t = 0; t < columns.taps; ++t)
    each(0, columns.out, [=, to = runs + padded.tap(t)](std::int64_t j, auto at) {
      put(at, to + j, quotient(at.load(dy + j), height * at.load(counts + j)), true);
    });
  if (columns.stride > 1) padded.runs.weave(row, runs, padded.reach);
  const Taps rows = taps_inside(pool.rows, i);
  for (std::int64_t s = 0; s < rows.last - rows.first; ++s)
    each(0, columns.in, [=, to = dx + (rows.place + s * pool.rows.dilation) * columns.in](std::int64_t j, auto at) {
      put(at, to + j, at.load(row + columns.before + j), true);
    });
}

inline void average_pool_gradient(const Pool& pool, T* dx, const T* dy, bool accumulate) {
  const PaddedRow padded(pool.columns);
  parallel_blocks(pool.planes, 2 * pool_cost(pool), [&](std::int64_t begin, std::int64_t count) {
    thread_local Scratch scratch;
    T* const row = scratch.floats(padded.size() + pool.columns.out);
    T* const counts = row + padded.size();
    count_columns(pool, counts);
    for (std::int64_t plane = begin; plane < begin + count; ++plane) {
      T* const to = dx + plane * in_pixels(pool);
      if (!accumulate) std::fill_n(to, in_pixels(pool), 0.f);
      for (std::int64_t i = 0; i < pool.rows.out; ++i)
        spread_average(pool, padded, i, to, dy + plane * out_pixels(pool) + i * pool.columns.out, counts, row);
    }
  });
}

}  // namespace
}  // namespace safer::kernels
