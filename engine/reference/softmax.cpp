#include <algorithm>
#include <cmath>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

/// f(offset of the first element) for every row along n; the elements of a row are `inner` apart.
template <class F>
void each_row(Axes axes, const F& f) {
  for (std::int64_t o = 0; o < axes.outer; ++o)
    for (std::int64_t i = 0; i < axes.inner; ++i) f(o * axes.n * axes.inner + i);
}

struct RowSum {
  T most, total;  // the maximum, and the sum of exp(x - most); a NaN in the row ends up in `total`
};

RowSum row_sum(const T* x, Axes axes) {
  RowSum row{x[0], 0};
  for (std::int64_t k = 1; k < axes.n; ++k) row.most = std::max(row.most, x[k * axes.inner]);
  for (std::int64_t k = 0; k < axes.n; ++k) row.total += std::exp(x[k * axes.inner] - row.most);
  return row;
}

}  // namespace

void softmax(T* y, const T* x, Axes axes) {
  if (axes.n == 0) return;
  each_row(axes, [&](std::int64_t at) {
    const RowSum row = row_sum(x + at, axes);
    for (std::int64_t k = 0; k < axes.n; ++k) y[at + k * axes.inner] = std::exp(x[at + k * axes.inner] - row.most) / row.total;
  });
}

void log_softmax(T* y, const T* x, Axes axes) {
  if (axes.n == 0) return;
  each_row(axes, [&](std::int64_t at) {
    const RowSum row = row_sum(x + at, axes);
    for (std::int64_t k = 0; k < axes.n; ++k) y[at + k * axes.inner] = x[at + k * axes.inner] - row.most - std::log(row.total);
  });
}

void softmax_gradient(T* dx, const T* dy, const T* y, Axes axes, bool accumulate) {
  each_row(axes, [&](std::int64_t at) {
    T mean = 0;
    for (std::int64_t k = 0; k < axes.n; ++k) mean += dy[at + k * axes.inner] * y[at + k * axes.inner];
    for (std::int64_t k = 0; k < axes.n; ++k) {
      const std::int64_t i = at + k * axes.inner;
      put(dx[i], y[i] * (dy[i] - mean), accumulate);
    }
  });
}

void log_softmax_gradient(T* dx, const T* dy, const T* y, Axes axes, bool accumulate) {
  each_row(axes, [&](std::int64_t at) {
    T total = 0;
    for (std::int64_t k = 0; k < axes.n; ++k) total += dy[at + k * axes.inner];
    for (std::int64_t k = 0; k < axes.n; ++k) {
      const std::int64_t i = at + k * axes.inner;
      put(dx[i], dy[i] - std::exp(y[i]) * total, accumulate);
    }
  });
}

}  // namespace safer::kernels::reference
