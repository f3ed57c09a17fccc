#include <cmath>

#include "engine/parallel.h"
#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

/// f(place) for the places of one axis under window o, in order.
template <class F>
void each_place(const WindowAxis& axis, std::int64_t o, const F& f) {
  for (std::int64_t t = 0; t < axis.taps; ++t) {
    const std::int64_t place = o * axis.stride - axis.before + t * axis.dilation;
    if (place >= 0 && place < axis.in) f(place);
  }
}

/// f(offset in y, the window's row and column) for every window, plane by plane, each plane on one thread.
template <class F>
void each_window(const Pool& pool, const F& f) {
  const WindowAxis &rows = pool.rows, &columns = pool.columns;
  parallel_for(pool.planes, pool.planes * rows.out * columns.out * rows.taps * columns.taps, [&](std::int64_t plane) {
    for (std::int64_t i = 0; i < rows.out; ++i)
      for (std::int64_t j = 0; j < columns.out; ++j) f(plane, (plane * rows.out + i) * columns.out + j, i, j);
  });
}

/// f(offset in x) for the image's places under a window, row by row.
template <class F>
void each_element(const Pool& pool, std::int64_t plane, std::int64_t i, std::int64_t j, const F& f) {
  each_place(pool.rows, i, [&](std::int64_t row) {
    each_place(pool.columns, j, [&](std::int64_t column) { f((plane * pool.rows.in + row) * pool.columns.in + column); });
  });
}

std::int64_t largest(const Pool& pool, const T* x, std::int64_t plane, std::int64_t i, std::int64_t j) {
  std::int64_t best = -1;
  each_element(pool, plane, i, j, [&](std::int64_t at) {
    if (best < 0 || x[at] > x[best] || (std::isnan(x[at]) && !std::isnan(x[best]))) best = at;
  });
  return best;
}

/// How many taps of window o an average counts; `after`: places of padding behind the axis.
std::int64_t counted(const WindowAxis& axis, std::int64_t o, bool counts_padding, std::int64_t after) {
  std::int64_t count = 0;
  for (std::int64_t t = 0; t < axis.taps; ++t) {
    const std::int64_t place = o * axis.stride - axis.before + t * axis.dilation;
    count += counts_padding ? place < axis.in + after : place >= 0 && place < axis.in;
  }
  return count;
}

T elements(const Pool& pool, std::int64_t i, std::int64_t j) {
  return T(counted(pool.rows, i, pool.counts_padding, pool.bottom) * counted(pool.columns, j, pool.counts_padding, pool.right));
}

void clear(const Pool& pool, T* dx) { std::fill_n(dx, pool.planes * pool.rows.in * pool.columns.in, 0); }

}  // namespace

void max_pool(const Pool& pool, T* y, const T* x) {
  each_window(
      pool, [&](std::int64_t plane, std::int64_t to, std::int64_t i, std::int64_t j) { y[to] = x[largest(pool, x, plane, i, j)]; });
}

void max_pool_gradient(const Pool& pool, T* dx, const T* dy, const T* x, bool accumulate) {
  if (!accumulate) clear(pool, dx);
  each_window(pool, [&](std::int64_t plane, std::int64_t from, std::int64_t i, std::int64_t j) {
    dx[largest(pool, x, plane, i, j)] += dy[from];
  });
}

void average_pool(const Pool& pool, T* y, const T* x) {
  each_window(pool, [&](std::int64_t plane, std::int64_t to, std::int64_t i, std::int64_t j) {
    T sum = 0;
    each_element(pool, plane, i, j, [&](std::int64_t at) { sum += x[at]; });
    y[to] = sum / elements(pool, i, j);
  });
}

void average_pool_gradient(const Pool& pool, T* dx, const T* dy, bool accumulate) {
  if (!accumulate) clear(pool, dx);
  each_window(pool, [&](std::int64_t plane, std::int64_t from, std::int64_t i, std::int64_t j) {
    each_element(pool, plane, i, j, [&](std::int64_t at) { dx[at] += dy[from] / elements(pool, i, j); });
  });
}

}  // namespace safer::kernels::reference
