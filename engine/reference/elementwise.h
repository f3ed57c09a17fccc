#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/reference/reference.h"

/// The scalar functions behind the elementwise kernels. NaN in, NaN out.
namespace safer::kernels::reference {

inline T sigmoid(T x) { return 1 / (1 + std::exp(-x)); }
/// log(1 + exp(x)), with an exp that cannot overflow.
inline T softplus(T x) { return (x > 0 ? x : T(0)) + std::log1p(std::exp(-std::abs(x))); }
inline T relu6(T x) { return x <= 0 ? 0 : x >= 6 ? 6 : x; }
inline T normal_cdf(T x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
inline T normal_pdf(T x) { return std::exp(-0.5 * x * x) * 0.5 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi; }

/// The argument of tanh in the approximate gelu (Hendrycks & Gimpel 2016), and its derivative.
constexpr T gelu_scale = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
inline T gelu_argument(T x) { return gelu_scale * (x + 0.044715 * x * x * x); }
inline T gelu_argument_slope(T x) { return gelu_scale * (1 + 3 * 0.044715 * x * x); }

inline T value(Unary f, T x, T alpha) {
  switch (f) {
    case Unary::relu: return x <= 0 ? 0 : x;
    case Unary::relu6: return relu6(x);
    case Unary::leaky_relu: return x > 0 ? x : alpha * x;
    case Unary::gelu: return x * normal_cdf(x);
    case Unary::gelu_tanh: return 0.5 * x * (1 + std::tanh(gelu_argument(x)));
    case Unary::silu: return x * sigmoid(x);
    case Unary::hard_swish: return x * relu6(x + 3) / 6;
    case Unary::mish: return x * std::tanh(softplus(x));
    case Unary::softplus: return softplus(x);
    case Unary::sigmoid: return sigmoid(x);
    case Unary::tanh: return std::tanh(x);
    case Unary::exp: return std::exp(x);
    case Unary::log: return std::log(x);
    case Unary::erf: return std::erf(x);
    case Unary::square: return x * x;
    case Unary::sqrt: return std::sqrt(x);
  }
  return std::nan("");
}

inline T gelu_tanh_slope(T x) {
  x = std::clamp(x, -100.0, 100.0);  // far beyond where the slope is 0 or 1; the powers of a larger x overflow
  const T t = std::tanh(gelu_argument(x));
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * gelu_argument_slope(x);
}

inline T mish_slope(T x) {
  x = std::clamp(x, -1000.0, 1000.0);  // far beyond where the slope is 0 or 1; an infinite x would be multiplied by 0
  const T t = std::tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
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
    case Unary::hard_swish: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case Unary::mish: return mish_slope(x);
    case Unary::softplus: return sigmoid(x);
    case Unary::sigmoid: return y * (1 - y);
    case Unary::tanh: return 1 - y * y;
    case Unary::exp: return y;
    case Unary::log: return 1 / x;
    case Unary::erf: return 2 * std::numbers::inv_sqrtpi * std::exp(-x * x);
    case Unary::square: return 2 * x;
    case Unary::sqrt: return 0.5 / y;
  }
  return std::nan("");
}

inline T apply(Binary f, T a, T b) {
  switch (f) {
    case Binary::add: return a + b;
    case Binary::sub: return a - b;
    case Binary::mul: return a * b;
    case Binary::div: return a / b;
  }
  return std::nan("");
}

inline double folded(Fold f, double g) {
  switch (f) {
    case Fold::sum: return g;
    case Fold::magnitude: return std::abs(g);
    case Fold::square: return g * g;
  }
  return std::nan("");
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

inline void fake_quantize(T* y, const T* x, std::int64_t n, const Grid<T>& grid) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = std::clamp(std::nearbyint(x[i] / grid.step), grid.low, grid.high) * grid.step;
}

inline void fake_quantize_gradient(T* dx, const T* dy, const T* x, std::int64_t n, const Grid<T>& grid, bool accumulate) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T number = std::nearbyint(x[i] / grid.step);
    put(dx[i], number >= grid.low && number <= grid.high ? dy[i] : 0, accumulate);
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

}  // namespace safer::kernels::reference
