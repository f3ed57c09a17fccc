#include <cmath>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

struct Moments {
  T mean, inverse_deviation;
  T normalised(T x) const { return (x - mean) * inverse_deviation; }
};

Moments moments(const T* x, std::int64_t n, T epsilon) {
  const T mean = sum(x, n) / T(n);
  T variance = 0;
  for (std::int64_t j = 0; j < n; ++j) variance += (x[j] - mean) * (x[j] - mean);
  return {mean, 1 / std::sqrt(variance / T(n) + epsilon)};
}

}  // namespace

void layer_norm(T* y, const T* x, const T* gamma, const T* beta, std::int64_t rows, std::int64_t n, T epsilon) {
  for (std::int64_t i = 0; i < rows; ++i, x += n, y += n) {
    const Moments row = moments(x, n, epsilon);
    for (std::int64_t j = 0; j < n; ++j) y[j] = (gamma ? gamma[j] : 1) * row.normalised(x[j]) + (beta ? beta[j] : 0);
  }
}

void layer_norm_gradient(T* dx, const T* dy, const T* x, const T* gamma, std::int64_t rows, std::int64_t n, T epsilon,
                         bool accumulate) {
  for (std::int64_t i = 0; i < rows; ++i, x += n, dy += n, dx += n) {
    const Moments row = moments(x, n, epsilon);
    const auto scaled = [&](std::int64_t j) { return (gamma ? gamma[j] : 1) * dy[j]; };
    T mean = 0, slope = 0;  // the parts of the gradient that moving the mean and the deviation take away
    for (std::int64_t j = 0; j < n; ++j) mean += scaled(j) / T(n), slope += scaled(j) * row.normalised(x[j]) / T(n);
    for (std::int64_t j = 0; j < n; ++j)
      put(dx[j], row.inverse_deviation * (scaled(j) - mean - row.normalised(x[j]) * slope), accumulate);
  }
}

void layer_norm_shared_gradient(T* dgamma, T* dbeta, const T* dy, const T* x, std::int64_t rows, std::int64_t n, T epsilon,
                                bool accumulate) {
  for (std::int64_t j = 0; j < n && !accumulate; ++j) {
    if (dgamma) dgamma[j] = 0;
    if (dbeta) dbeta[j] = 0;
  }
  for (std::int64_t i = 0; i < rows; ++i, x += n, dy += n) {
    const Moments row = moments(x, n, epsilon);
    for (std::int64_t j = 0; j < n; ++j) {
      if (dgamma) dgamma[j] += dy[j] * row.normalised(x[j]);
      if (dbeta) dbeta[j] += dy[j];
    }
  }
}

}  // namespace safer::kernels::reference
