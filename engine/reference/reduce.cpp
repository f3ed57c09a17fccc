#include <cmath>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {

void axpy(T* y, T alpha, const T* x, std::int64_t n, bool accumulate) {
  for (std::int64_t i = 0; i < n; ++i) put(y[i], alpha * x[i], accumulate);
}

T sum(const T* x, std::int64_t n) {
  T total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i];
  return total;
}

T dot(const T* a, const T* b, std::int64_t n) {
  T total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += a[i] * b[i];
  return total;
}

void masked_dots(T* y, const T* mask, const T* w, const T* x, std::int64_t n) {
  y[0] = dot(mask, x, n), y[1] = 0;
  for (std::int64_t i = 0; i < n; ++i) y[1] += mask[i] * w[i] * x[i];
}

void reduce_sum(T* y, const T* x, Axes axes, T alpha, bool accumulate) {
  for (std::int64_t o = 0; o < axes.outer; ++o)
    for (std::int64_t i = 0; i < axes.inner; ++i) {
      T total = 0;
      for (std::int64_t k = 0; k < axes.n; ++k) total += x[(o * axes.n + k) * axes.inner + i];
      put(y[o * axes.inner + i], alpha * total, accumulate);
    }
}

void reduce_max(T* y, const T* x, Axes axes) {
  for (std::int64_t o = 0; o < axes.outer; ++o)
    for (std::int64_t i = 0; i < axes.inner; ++i) {
      T most = x[o * axes.n * axes.inner + i];
      for (std::int64_t k = 1; k < axes.n; ++k) {
        const T v = x[(o * axes.n + k) * axes.inner + i];
        if (v > most || std::isnan(v)) most = v;  // no v is greater than a NaN
      }
      y[o * axes.inner + i] = most;
    }
}

}  // namespace safer::kernels::reference
