#pragma once

#include "engine/kernels/generic/math.h"
#include "engine/kernels/generic/reduce.h"

// Softmax and its relatives, in two shapes: along a dense row, and across `lanes` rows at once, a vector holding the same element
// of each. The second serves rows whose elements are not side by side, and rows too short to fill a vector.
namespace safer::kernels {
namespace {

/// The same element of `lanes` rows that start `stride` floats apart; fewer rows: count < lanes.
struct Strided {
  std::int64_t stride, count;
  Batch load(const float* from) const {
    alignas(64) float lane[lanes] = {};
    for (std::int64_t i = 0; i < count; ++i) lane[i] = from[i * stride];
    return kernels::load(lane);
  }
  void store(float* to, Batch v) const {
    alignas(64) float lane[lanes];
    kernels::store(lane, v);
    for (std::int64_t i = 0; i < count; ++i) to[i * stride] = lane[i];
  }
};

/// along(first) for every dense row, or across(first, step, access) for bundles of rows whose elements are `step` apart.
template <class Along, class Across>
inline void each_row(Axes axes, const Along& along, const Across& across_rows) {
  const std::int64_t size = axes.n * axes.inner, work = axes.outer * size * 4;
  if (work == 0) return;
  if (axes.inner > 1)
    parallel_for(axes.outer, work, [&](std::int64_t o) {
      each(0, axes.inner, [&](std::int64_t i, auto at) { across_rows(o * size + i, axes.inner, at); });
    });
  else if (axes.n > lanes)
    parallel_for(axes.outer, work, [&](std::int64_t o) { along(o * size); });
  else
    parallel_for(pieces(axes.outer, lanes), work, [&](std::int64_t q) {
      across_rows(q * lanes * size, 1, Strided{size, std::min(lanes, axes.outer - q * lanes)});
    });
}

/// The maximum of a row and the sum of exp(x - maximum); NaN in the row makes the sum NaN.
struct RowSum {
  Batch most, total;
};

inline RowSum along_row(const float* x, std::int64_t n) {
  const Batch most(largest(x, n));
  const auto term = [=](std::int64_t k, auto at) { return at.only(exp(at.load(x + k) - most)); };
  return {most, Batch(total(sum_of(n, term)))};
}

template <class Access>
inline RowSum across_rows(const float* x, std::int64_t n, std::int64_t step, const Access& at) {
  Batch most = at.load(x), acc(0.f);
  for (std::int64_t k = 1; k < n; ++k) most = larger(most, at.load(x + k * step));
  for (std::int64_t k = 0; k < n; ++k) acc += exp(at.load(x + k * step) - most);
  return {most, acc};
}

/// y = finish(x, row sum), elementwise.
template <class Finish>
inline void normalise(T* y, const T* x, Axes axes, const Finish& finish) {
  each_row(
      axes,
      [&](std::int64_t at_row) {
        const RowSum row = along_row(x + at_row, axes.n);
        each(at_row, at_row + axes.n, [&](std::int64_t i, auto at) { at.store(y + i, finish(at.load(x + i), row)); });
      },
      [&](std::int64_t at_row, std::int64_t step, auto at) {
        const RowSum row = across_rows(x + at_row, axes.n, step, at);
        for (std::int64_t k = 0, i = at_row; k < axes.n; ++k, i += step) at.store(y + i, finish(at.load(x + i), row));
      });
}

inline void softmax(T* y, const T* x, Axes axes) {
  normalise(y, x, axes, [](Batch v, const RowSum& row) { return quotient(exp(v - row.most), row.total); });
}

inline void log_softmax(T* y, const T* x, Axes axes) {
  normalise(y, x, axes, [](Batch v, const RowSum& row) { return v - row.most - xsimd::log(row.total); });
}

/// dx (+)= finish(dy, y, sum of term(dy, y) over the row), elementwise.
template <class Term, class Finish>
inline void through_row(T* dx, const T* dy, const T* y, Axes axes, bool accumulate, const Term& term, const Finish& finish) {
  each_row(
      axes,
      [&](std::int64_t at_row) {
        const auto term_at = [&](std::int64_t k, auto at) { return term(at.load(dy + at_row + k), at.load(y + at_row + k)); };
        const Batch all(total(sum_of(axes.n, term_at)));
        each(at_row, at_row + axes.n,
             [&](std::int64_t i, auto at) { put(at, dx + i, finish(at.load(dy + i), at.load(y + i), all), accumulate); });
      },
      [&](std::int64_t at_row, std::int64_t step, auto at) {
        Batch all(0.f);
        for (std::int64_t k = 0, i = at_row; k < axes.n; ++k, i += step) all += term(at.load(dy + i), at.load(y + i));
        for (std::int64_t k = 0, i = at_row; k < axes.n; ++k, i += step)
          put(at, dx + i, finish(at.load(dy + i), at.load(y + i), all), accumulate);
      });
}

inline void softmax_gradient(T* dx, const T* dy, const T* y, Axes axes, bool accumulate) {
  through_row(
      dx, dy, y, axes, accumulate, [](Batch dyi, Batch yi) { return dyi * yi; },
      [](Batch dyi, Batch yi, Batch all) { return yi * (dyi - all); });
}

inline void log_softmax_gradient(T* dx, const T* dy, const T* y, Axes axes, bool accumulate) {
  through_row(
      dx, dy, y, axes, accumulate, [](Batch dyi, Batch) { return dyi; },
      [](Batch dyi, Batch yi, Batch all) { return dyi - exp(yi) * all; });
}

}  // namespace
}  // namespace safer::kernels
