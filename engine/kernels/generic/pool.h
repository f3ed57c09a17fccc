#pragma once

#include <limits>

#include "engine/kernels/generic/reduce.h"
#include "engine/kernels/generic/scratch.h"

// Pooling, one row of windows at a time: first down the columns of the image, whole rows at once, into a row with room for the
// padding; then along that row.
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

/// How far windows reach along the columns, from the first place of the first to the last of the last, at least `in` and padding.
inline std::int64_t reach(const WindowAxis& axis) {
  const std::int64_t end = (axis.out - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1;
  return std::max(end, axis.before + axis.in);
}

/// to[j] = combine of x[row][j] over the rows under window i.
template <class Combine>
[[gnu::always_inline]] inline void down(const Pool& pool, std::int64_t i, T* to, const T* x, const Combine& combine) {
  const Taps rows = taps_inside(pool.rows, i);
  const std::int64_t step = pool.rows.dilation * pool.columns.in;
  const T* const first = x + rows.place * pool.columns.in;
  each(0, pool.columns.in, [&](std::int64_t j, auto at) {
    Batch all = at.load(first + j);
    for (std::int64_t s = 1; s < rows.last - rows.first; ++s) all = combine(all, at.load(first + s * step + j));
    at.store(to + j, all);
  });
}

/// to[j] = combine of from[j * stride + t * dilation] over the taps t.
template <class Combine>
[[gnu::always_inline]] inline void along(const WindowAxis& axis, T* to, const T* from, const Combine& combine) {
  if (axis.stride == 1) {
    each(0, axis.out, [&](std::int64_t j, auto at) {
      Batch all = at.load(from + j);
      for (std::int64_t t = 1; t < axis.taps; ++t) all = combine(all, at.load(from + j + t * axis.dilation));
      at.store(to + j, all);
    });
    return;
  }
  for (std::int64_t j = 0; j < axis.out; ++j) {
    const T* const window = from + j * axis.stride;
    T all = window[0];
    for (std::int64_t t = 1; t < axis.taps; ++t) all = combine(all, window[t * axis.dilation]);
    to[j] = all;
  }
}

inline std::int64_t pool_work(const Pool& pool) { return pool.planes * pool.rows.out * pool.columns.in * pool.rows.taps / 4; }
inline std::int64_t in_pixels(const Pool& pool) { return pool.rows.in * pool.columns.in; }
inline std::int64_t out_pixels(const Pool& pool) { return pool.rows.out * pool.columns.out; }

/// A row as long as all windows reach, filled with what padding holds.
inline T* padded_row(const Pool& pool, Scratch& scratch, std::int64_t more, T padding) {
  T* const row = scratch.floats(reach(pool.columns) + more);
  std::fill_n(row, reach(pool.columns), padding);
  return row;
}

struct Larger {
  [[gnu::always_inline]] Batch operator()(Batch a, Batch b) const { return larger(a, b); }
  [[gnu::always_inline]] T operator()(T a, T b) const { return a != a || a > b ? a : b; }
};
struct Plus {
  template <class V>
  [[gnu::always_inline]] V operator()(V a, V b) const {
    return a + b;
  }
};

inline void max_pool(const Pool& pool, T* y, const T* x) {
  parallel_for(pool.planes, pool_work(pool), [&](std::int64_t plane) {
    thread_local Scratch scratch;
    T* const row = padded_row(pool, scratch, 0, -std::numeric_limits<T>::infinity());
    for (std::int64_t i = 0; i < pool.rows.out; ++i) {
      down(pool, i, row + pool.columns.before, x + plane * in_pixels(pool), Larger{});
      along(pool.columns, y + plane * out_pixels(pool) + i * pool.columns.out, row, Larger{});
    }
  });
}

/// The largest elements down the columns under window i, and which of the rows each stands in: the first of equal ones.
inline void down_with_rows(const Pool& pool, const Taps& rows, T* most, T* which, const T* x) {
  const std::int64_t step = pool.rows.dilation * pool.columns.in;
  const T* const first = x + rows.place * pool.columns.in;
  each(0, pool.columns.in, [&](std::int64_t j, auto at) {
    Batch best = at.load(first + j), row(0.f);
    for (std::int64_t s = 1; s < rows.last - rows.first; ++s) {
      const Batch next = at.load(first + s * step + j);
      const auto better = (next > best) || (xsimd::isnan(next) && !xsimd::isnan(best));
      best = xsimd::select(better, next, best);
      row = xsimd::select(better, Batch(T(s)), row);
    }
    at.store(most + j, best);
    at.store(which + j, row);
  });
}

/// Whether an element comes before the best one so far: larger or NaN, or equal and in an earlier row.
inline bool better(T value, T row, T best, T best_row) {
  const bool nan = value != value, best_nan = best != best;
  if (nan || best_nan) return nan && (!best_nan || row < best_row);
  return value > best || (value == best && row < best_row);
}

inline void max_pool_gradient(const Pool& pool, T* dx, const T* dy, const T* x, bool accumulate) {
  const WindowAxis& columns = pool.columns;
  parallel_for(pool.planes, 2 * pool_work(pool), [&](std::int64_t plane) {
    thread_local Scratch scratch;
    T* const most = scratch.floats(2 * columns.in);
    T* const which = most + columns.in;
    T* const to = dx + plane * in_pixels(pool);
    const T* by = dy + plane * out_pixels(pool);
    if (!accumulate) std::fill_n(to, in_pixels(pool), 0.f);
    for (std::int64_t i = 0; i < pool.rows.out; ++i) {
      const Taps rows = taps_inside(pool.rows, i);
      down_with_rows(pool, rows, most, which, x + plane * in_pixels(pool));
      for (std::int64_t j = 0; j < columns.out; ++j) {
        const Taps taps = taps_inside(columns, j);
        std::int64_t best = taps.place;
        for (std::int64_t k = 1, c = best; k < taps.last - taps.first; ++k) {
          c += columns.dilation;
          if (better(most[c], which[c], most[best], which[best])) best = c;
        }
        to[(rows.place + std::int64_t(which[best]) * pool.rows.dilation) * columns.in + best] += *by++;
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
  parallel_for(pool.planes, pool_work(pool), [&](std::int64_t plane) {
    thread_local Scratch scratch;
    T* const row = padded_row(pool, scratch, out, 0);
    T* const counts = row + reach(pool.columns);
    count_columns(pool, counts);
    for (std::int64_t i = 0; i < pool.rows.out; ++i) {
      T* const to = y + plane * out_pixels(pool) + i * out;
      down(pool, i, row + pool.columns.before, x + plane * in_pixels(pool), Plus{});
      along(pool.columns, to, row, Plus{});
      const Batch height(counted_taps(pool.rows, i, pool.counts_padding, pool.bottom));
      each(0, out, [=](std::int64_t j, auto at) { at.store(to + j, at.load(to + j) / (height * at.load(counts + j))); });
    }
  });
}

inline void average_pool_gradient(const Pool& pool, T* dx, const T* dy, bool accumulate) {
  const WindowAxis& columns = pool.columns;
  parallel_for(pool.planes, 2 * pool_work(pool), [&](std::int64_t plane) {
    thread_local Scratch scratch;
    T* const row = padded_row(pool, scratch, columns.out, 0);
    T* const counts = row + reach(columns);
    count_columns(pool, counts);
    T* const to = dx + plane * in_pixels(pool);
    if (!accumulate) std::fill_n(to, in_pixels(pool), 0.f);
    for (std::int64_t i = 0; i < pool.rows.out; ++i) {
      const T* const by = dy + plane * out_pixels(pool) + i * columns.out;
      const T height = counted_taps(pool.rows, i, pool.counts_padding, pool.bottom);
      std::fill_n(row, reach(columns), 0.f);
      for (std::int64_t j = 0; j < columns.out; ++j)
        for (std::int64_t t = 0; t < columns.taps; ++t)
          row[j * columns.stride + t * columns.dilation] += by[j] / (height * counts[j]);
      const Taps rows = taps_inside(pool.rows, i);
      for (std::int64_t s = 0; s < rows.last - rows.first; ++s) {
        T* const line = to + (rows.place + s * pool.rows.dilation) * columns.in;
        each(0, columns.in, [=](std::int64_t j, auto at) { put(at, line + j, at.load(row + columns.before + j), true); });
      }
    }
  });
}

}  // namespace
}  // namespace safer::kernels
