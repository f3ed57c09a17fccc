#pragma once

#include "engine/kernels/generic/loop.h"

// Sums and maxima. Orders of summation depend on sizes only.
namespace safer::kernels {
namespace {

/// Long sums are cut into blocks of floats whose sums are added in double.
constexpr std::int64_t sum_block = 1 << 13;

inline T sum(const T* x, std::int64_t n) {
  double all = 0;
  for (std::int64_t i = 0; i < n; i += sum_block, x += sum_block)
    all += double(total(sum_of(std::min(sum_block, n - i), [x](std::int64_t j, auto at) { return at.load(x + j); })));
  return T(all);
}

inline T dot(const T* a, const T* b, std::int64_t n) {
  double all = 0;
  for (std::int64_t i = 0; i < n; i += sum_block, a += sum_block, b += sum_block)
    all += double(
        total(sum_of(std::min(sum_block, n - i), [a, b](std::int64_t j, auto at) { return at.load(a + j) * at.load(b + j); })));
  return T(all);
}

inline void masked_dots(T* y, const T* mask, const T* w, const T* x, std::int64_t n) {
  y[0] = dot(mask, x, n);
  double all = 0;
  for (std::int64_t i = 0; i < n; i += sum_block, mask += sum_block, w += sum_block, x += sum_block)
    all += double(total(sum_of(std::min(sum_block, n - i), [mask, w, x](std::int64_t j, auto at) {
      return at.load(mask + j) * at.load(w + j) * at.load(x + j);
    })));
  y[1] = T(all);
}

/// Vectors of columns that are summed side by side, so that whole cache lines are read.
constexpr std::size_t column_vectors = 4;

/// finish(v, access, sum over k of term(k, v, access)) for every vector v of columns; blocks of rows are summed on their own first.
template <std::size_t vectors, class Access, class Term, class Finish>
[[gnu::always_inline]] inline void sum_columns(std::int64_t n, std::int64_t v, const Access& at, const Term& term,
                                               const Finish& finish) {
  constexpr std::int64_t rows_added_up = 128;
  Batch all[vectors];
  unroll<vectors>([&](auto c) { all[c] = Batch(0.f); });
  for (std::int64_t begin = 0; begin < n; begin += rows_added_up) {
    Batch acc[vectors];
    unroll<vectors>([&](auto c) { acc[c] = Batch(0.f); });
    const std::int64_t end = std::min(n, begin + rows_added_up);
    for (std::int64_t k = begin; k < end; ++k) unroll<vectors>([&](auto c) { acc[c] += term(k, v + c * lanes, at); });
    unroll<vectors>([&](auto c) { all[c] += acc[c]; });
  }
  unroll<vectors>([&](auto c) { finish(v + c * lanes, at, all[c]); });
}

/// As above for all columns of `outer` matrices: term(o, k, v, access), finish(o, v, access, sum).
template <class Term, class Finish>
inline void sum_all_columns(Axes axes, const Term& term, const Finish& finish) {
  constexpr std::int64_t group = std::int64_t(column_vectors) * lanes;
  const std::int64_t groups = pieces(axes.inner, group);
  parallel_for(axes.outer * groups, axes.outer * axes.n * axes.inner / 4, [&](std::int64_t task) {
    const std::int64_t o = task / groups, v = task % groups * group, end = std::min(axes.inner, v + group);
    const auto term_of = [&](std::int64_t k, std::int64_t i, auto at) { return term(o, k, i, at); };
    const auto finish_of = [&](std::int64_t i, auto at, Batch all) { finish(o, i, at, all); };
    if (end - v == group)
      sum_columns<column_vectors>(axes.n, v, Whole{}, term_of, finish_of);
    else
      each(v, end, [&](std::int64_t i, auto at) { sum_columns<1>(axes.n, i, at, term_of, finish_of); });
  });
}

inline void reduce_sum(T* y, const T* x, Axes axes, T alpha, bool accumulate) {
  if (axes.inner == 1) {
    parallel_for(axes.outer, axes.outer * axes.n / 4, [=](std::int64_t o) {
      const T value = alpha * sum(x + o * axes.n, axes.n);
      y[o] = accumulate ? y[o] + value : value;
    });
    return;
  }
  sum_all_columns(
      axes, [=](std::int64_t o, std::int64_t k, std::int64_t i, auto at) { return at.load(x + (o * axes.n + k) * axes.inner + i); },
      [=](std::int64_t o, std::int64_t i, auto at, Batch all) { put(at, y + o * axes.inner + i, Batch(alpha) * all, accumulate); });
}

/// The larger of both, NaN if either is one.
[[gnu::always_inline]] inline Batch larger(Batch a, Batch b) {
  return xsimd::select(xsimd::isnan(a), a, xsimd::select(a > b, a, b));
}

/// The largest of n > 0 values, NaN if there is one.
inline T largest(const T* x, std::int64_t n) {
  if (n < lanes) {
    T most = x[0];
    for (std::int64_t i = 1; i < n; ++i)
      if (!(x[i] <= most) && most == most) most = x[i];
    return most;
  }
  Batch most = load(x + n - lanes);  // the last vector may overlap the one before
  for (std::int64_t i = 0; i + lanes <= n; i += lanes) most = larger(most, load(x + i));
  return across(most, [](float a, float b) { return a != a || a > b ? a : b; });
}

inline void reduce_max(T* y, const T* x, Axes axes) {
  if (axes.inner == 1) {
    parallel_for(axes.outer, axes.outer * axes.n / 4, [=](std::int64_t o) { y[o] = largest(x + o * axes.n, axes.n); });
    return;
  }
  parallel_for(axes.outer, axes.outer * axes.n * axes.inner / 4, [=](std::int64_t o) {
    each(0, axes.inner, [&](std::int64_t i, auto at) {
      const T* column = x + o * axes.n * axes.inner + i;
      Batch most = at.load(column);
      for (std::int64_t k = 1; k < axes.n; ++k) most = larger(most, at.load(column + k * axes.inner));
      at.store(y + o * axes.inner + i, most);
    });
  });
}

}  // namespace
}  // namespace safer::kernels
