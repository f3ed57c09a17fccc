#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/kernels/kernel_table.h"

// Plain loops; the vectorised kernels replace them family by family.
namespace {
using namespace safer::kernels;
using T = float;
inline void put(T& to, T value, bool accumulate) { to = accumulate ? to + value : value; }

/// The scalar functions behind the elementwise kernels. NaN in, NaN out.

inline T sigmoid(T x) { return 1 / (1 + std::exp(-x)); }
inline T relu6(T x) { return x <= 0 ? 0 : x >= 6 ? 6 : x; }
inline T normal_cdf(T x) { return 0.5f * std::erfc(-x / std::numbers::sqrt2_v<T>); }
inline T normal_pdf(T x) { return std::exp(-0.5f * x * x) * 0.5f * std::numbers::sqrt2_v<T> * std::numbers::inv_sqrtpi_v<T>; }

/// The argument of tanh in the approximate gelu (Hendrycks & Gimpel 2016), and its derivative.
constexpr T gelu_scale = std::numbers::sqrt2_v<T> * std::numbers::inv_sqrtpi_v<T>;
inline T gelu_argument(T x) { return gelu_scale * (x + 0.044715f * x * x * x); }
inline T gelu_argument_slope(T x) { return gelu_scale * (1 + 3 * 0.044715f * x * x); }

inline T value(Unary f, T x, T alpha) {
  switch (f) {
    case Unary::relu: return x <= 0 ? 0 : x;
    case Unary::relu6: return relu6(x);
    case Unary::leaky_relu: return x > 0 ? x : alpha * x;
    case Unary::gelu: return x * normal_cdf(x);
    case Unary::gelu_tanh: return 0.5f * x * (1 + std::tanh(gelu_argument(x)));
    case Unary::silu: return x * sigmoid(x);
    case Unary::hard_swish: return x * relu6(x + 3) / 6;
    case Unary::sigmoid: return sigmoid(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::exp: return std::exp(x);
    case Unary::erf: return std::erf(x);
    case Unary::square: return x * x;
    case Unary::sqrt: return std::sqrt(x);
  }
  return std::nanf("");
}

inline T gelu_tanh_slope(T x) {
  const T t = std::tanh(gelu_argument(x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * gelu_argument_slope(x);
}

/// f'(x), from whichever of x and y = f(x) the kernel reads (see reads_x, reads_y). Where f has a kink: 0 for relu, relu6 and the
/// left one of hard_swish, 1 for the right one, alpha for leaky_relu.
inline T slope(Unary f, T x, T y, T alpha) {
  switch (f) {
    case Unary::relu: return y <= 0 ? 0 : 1;
    case Unary::relu6: return y <= 0 || y >= 6 ? 0 : 1;
    case Unary::leaky_relu: return x > 0 ? 1 : alpha;
    case Unary::gelu: return normal_cdf(x) + x * normal_pdf(x);
    case Unary::gelu_tanh: return gelu_tanh_slope(x);
    case Unary::silu: return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case Unary::hard_swish: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5f;
    case Unary::sigmoid: return y * (1 - y);
    case Unary::tanh: return 1 - y * y;
    case Unary::exp: return y;
    case Unary::erf: return 2 * std::numbers::inv_sqrtpi_v<T> * std::exp(-x * x);
    case Unary::square: return 2 * x;
    case Unary::sqrt: return 0.5f / y;
  }
  return std::nanf("");
}

inline T apply(Binary f, T a, T b) {
  switch (f) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
  }
  return std::nanf("");
}

inline double folded(Fold f, double g) {
  switch (f) {
    case Fold::sum: return g;
    case Fold::magnitude: return std::abs(g);
    case Fold::square: return g * g;
  }
  return std::nanf("");
}

template <Unary f>
void unary(T* y, const T* x, std::int64_t n, T alpha) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = value(f, x[i], alpha);
}

template <Unary f>
void unary_gradient(T* dx, const T* dy, const T* x, const T* y, std::int64_t n, T alpha, bool accumulate) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T xi = reads_x[int(f)] ? x[i] : 0, yi = reads_y[int(f)] ? y[i] : 0;
    put(dx[i], dy[i] * slope(f, xi, yi, alpha), accumulate);
  }
}

template <Binary f>
void binary(T* y, const T* a, std::int64_t a_step, const T* b, std::int64_t b_step, std::int64_t n, T alpha, bool accumulate) {
  for (std::int64_t i = 0; i < n; ++i) put(y[i], alpha * apply(f, a[i * a_step], b[i * b_step]), accumulate);
}

template <Fold f>
void fold(double* acc, const T* g, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) acc[i] += folded(f, g[i]);
}

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

void adam(T* w, T* m, T* v, const T* g, std::int64_t n, const AdamStep<T>& step) {
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = step.beta1 * m[i] + (1 - step.beta1) * g[i];
    v[i] = step.beta2 * v[i] + (1 - step.beta2) * g[i] * g[i];
    w[i] -= step.rate * m[i] / (std::sqrt(v[i]) * step.root + step.epsilon);
  }
}

void gemm(const Gemm<T>& g) {
  for (std::int64_t i = 0; i < g.m; ++i) {
    T* c = g.c + i * g.c_row;
    for (std::int64_t j = 0; j < g.n; ++j) put(c[j], g.bias ? g.bias[j] : 0, g.accumulate);
    for (std::int64_t p = 0; p < g.k; ++p)
      for (std::int64_t j = 0; j < g.n; ++j) c[j] += g.a[i * g.a_row + p * g.a_col] * g.b[p * g.b_row + j * g.b_col];
  }
}
std::int64_t packed_b_size(std::int64_t, std::int64_t) { return 0; }
void pack_b(T*, const Gemm<T>&) {}

template <int... u, int... b, int... f>
constexpr KernelTable<float> make(const char* name, std::integer_sequence<int, u...>, std::integer_sequence<int, b...>,
                                  std::integer_sequence<int, f...>) {
  return {name,
#define SAFER_ENTRY(kernel, ...) &kernel,
          SAFER_KERNELS(SAFER_ENTRY)
#undef SAFER_ENTRY
              {&unary<Unary(u)>...},
          {&unary_gradient<Unary(u)>...},
          {&binary<Binary(b)>...},
          {&fold<Fold(f)>...}};
}
constexpr KernelTable<float> make(const char* name) {
  return make(name, std::make_integer_sequence<int, unary_count>{}, std::make_integer_sequence<int, binary_count>{},
              std::make_integer_sequence<int, fold_count>{});
}
}  // namespace
