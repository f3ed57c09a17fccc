#pragma once

#include <cmath>

#include "engine/kernels/generic/reduce.h"
#include "engine/kernels/generic/scratch.h"

// Layer normalisation over dense rows: mean first, then the mean square distance from it.
namespace safer::kernels {
namespace {

struct Moments {
  T mean, inverse_deviation;
  Batch normalised(Batch x) const { return (x - Batch(mean)) * Batch(inverse_deviation); }
};

inline Moments moments(const T* x, std::int64_t n, T epsilon) {
  const T mean = total(sum_of(n, [x](std::int64_t j, auto at) { return at.load(x + j); })) / T(n);
  const Batch squares = sum_of(n, [=](std::int64_t j, auto at) {
    const Batch d = at.only(at.load(x + j) - Batch(mean));
    return d * d;
  });
  return {mean, 1 / std::sqrt(total(squares) / T(n) + epsilon)};
}

inline void layer_norm(T* y, const T* x, const T* gamma, const T* beta, std::int64_t rows, std::int64_t n, T epsilon) {
  parallel_for(rows, rows * n, [=](std::int64_t i) {
    const Moments row = moments(x + i * n, n, epsilon);
    each(0, n, [=](std::int64_t j, auto at) {
      Batch v = row.normalised(at.load(x + i * n + j));
      if (gamma) v *= at.load(gamma + j);
      if (beta) v += at.load(beta + j);
      at.store(y + i * n + j, v);
    });
  });
}

/// With h = gamma dy: dx = (h - mean(h) - xhat mean(h xhat)) / deviation.
inline void layer_norm_gradient(T* dx, const T* dy, const T* x, const T* gamma, std::int64_t rows, std::int64_t n, T epsilon,
                                bool accumulate) {
  parallel_for(rows, rows * n, [=](std::int64_t i) {
    const Moments row = moments(x + i * n, n, epsilon);
    const auto scaled = [=](std::int64_t j, auto at) {
      const Batch v = at.load(dy + i * n + j);
      return gamma ? v * at.load(gamma + j) : v;
    };
    const auto xhat = [=](std::int64_t j, auto at) { return row.normalised(at.load(x + i * n + j)); };
    const Batch mean(total(sum_of(n, scaled)) / T(n));
    const Batch slope(total(sum_of(n, [=](std::int64_t j, auto at) { return scaled(j, at) * xhat(j, at); })) / T(n));
    each(0, n, [=](std::int64_t j, auto at) {
      put(at, dx + i * n + j, Batch(row.inverse_deviation) * (scaled(j, at) - mean - xhat(j, at) * slope), accumulate);
    });
  });
}

inline void layer_norm_shared_gradient(T* dgamma, T* dbeta, const T* dy, const T* x, std::int64_t rows, std::int64_t n, T epsilon,
                                       bool accumulate) {
  thread_local Scratch scratch;
  T* const means = scratch.floats(2 * rows);
  T* const inverses = means + rows;
  const Axes axes{1, rows, n};
  if (dgamma) {
    parallel_for(rows, rows * n / 2, [=](std::int64_t i) {
      const Moments row = moments(x + i * n, n, epsilon);
      means[i] = row.mean;
      inverses[i] = row.inverse_deviation;
    });
    sum_all_columns(
        axes,
        [=](std::int64_t, std::int64_t i, std::int64_t j, auto at) {
          const Moments row{means[i], inverses[i]};
          return at.load(dy + i * n + j) * row.normalised(at.load(x + i * n + j));
        },
        [=](std::int64_t, std::int64_t j, auto at, Batch all) { put(at, dgamma + j, all, accumulate); });
  }
  if (dbeta) reduce_sum(dbeta, dy, axes, 1, accumulate);
}

}  // namespace
}  // namespace safer::kernels
