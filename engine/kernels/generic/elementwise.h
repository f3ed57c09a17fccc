#pragma once

#include <cmath>

#include "engine/kernels/generic/loop.h"
#include "engine/kernels/generic/math.h"

// Elementwise kernels. Derivatives and what happens at kinks: as engine/reference/elementwise.h says.
namespace safer::kernels {
namespace {

inline Batch relu6(Batch x) { return xsimd::min(Batch(6.f), xsimd::max(Batch(0.f), x)); }
/// log(1 + e) for 0 <= e <= 1, right where 1 + e loses digits of e: what was lost is made good by the quotient (Kahan).
inline Batch log_one_plus(Batch e) {
  const Batch sum = e + Batch(1.f);
  return xsimd::select(sum == Batch(1.f), e, log(sum) * quotient(e, sum - Batch(1.f)));
}
inline Batch softplus(Batch x) { return xsimd::max(Batch(0.f), x) + log_one_plus(exp(-xsimd::abs(x))); }

/// With e = exp(x): tanh(log(1 + e)) = n / (n + 2), n = e (e + 2).
inline Batch mish_numerator(Batch x) {
  const Batch e = exp(xsimd::min(Batch(20.f), x));  // beyond, the quotient is 1; the square of a larger e overflows
  return e * (e + Batch(2.f));
}
inline Batch mish_gate(Batch x) {
  const Batch n = mish_numerator(x);
  return quotient(n, n + Batch(2.f));
}

inline Batch normal_cdf(Batch x) { return mul_add(erf(x * Batch(0.707106781f)), Batch(0.5f), Batch(0.5f)); }
inline Batch normal_pdf(Batch x) { return exp(Batch(-0.5f) * x * x) * Batch(0.398942280f); }

constexpr float gelu_scale = 0.797884561f;  // sqrt(2 / pi)
inline Batch gelu_argument(Batch x) { return Batch(gelu_scale) * mul_add(Batch(0.044715f) * x * x, x, x); }

template <Unary f>
[[gnu::always_inline]] inline Batch value(Batch x, Batch alpha) {
  if constexpr (f == Unary::relu) return xsimd::max(Batch(0.f), x);
  if constexpr (f == Unary::relu6) return relu6(x);
  if constexpr (f == Unary::leaky_relu) return xsimd::select(x > Batch(0.f), x, alpha * x);
  if constexpr (f == Unary::gelu) return x * normal_cdf(x);
  if constexpr (f == Unary::gelu_tanh) return Batch(0.5f) * x * (tanh(gelu_argument(x)) + Batch(1.f));
  if constexpr (f == Unary::silu) return x * sigmoid(x);
  if constexpr (f == Unary::hard_swish) return x * (relu6(x + Batch(3.f)) * Batch(1.f / 6));
  if constexpr (f == Unary::mish) return x * mish_gate(x);
  if constexpr (f == Unary::softplus) return softplus(x);
  if constexpr (f == Unary::sigmoid) return sigmoid(x);
  if constexpr (f == Unary::tanh) return tanh(x);
  if constexpr (f == Unary::exp) return exp(x);
  if constexpr (f == Unary::log) return log(x);
  if constexpr (f == Unary::erf) return erf(x);
  if constexpr (f == Unary::square) return x * x;
  if constexpr (f == Unary::sqrt) return square_root(x);
}

inline Batch gelu_tanh_slope(Batch x) {
  x = clamp(x, 100.f);  // far beyond where the slope is 0 or 1; the powers of a larger x overflow
  const Batch t = tanh(gelu_argument(x)), argument_slope = polynomial(x * x, gelu_scale, 3 * 0.044715f * gelu_scale);
  return mul_add(Batch(0.5f) * x * (Batch(1.f) - t * t), argument_slope, mul_add(t, Batch(0.5f), Batch(0.5f)));
}

inline Batch hard_swish_slope(Batch x) {
  const Batch inside = mul_add(x, Batch(1.f / 3), Batch(0.5f));
  return xsimd::select(x <= Batch(-3.f), Batch(0.f), xsimd::select(x >= Batch(3.f), Batch(1.f), inside));
}

/// t + x (1 - t^2) sigmoid(x) with t = n / (n + 2), so that 1 - t^2 = 4 (n + 1) / (n + 2)^2.
inline Batch mish_slope(Batch x) {
  x = clamp(x, 104.f);  // beyond, exp is 0 or infinite, and the slope 0 or 1
  const Batch n = mish_numerator(x), below = n + Batch(2.f);
  const Batch rest = quotient(quotient(Batch(4.f) * (n + Batch(1.f)), below), below);
  return mul_add(x * sigmoid(x), rest, quotient(n, below));
}

/// f'(x); only what reads_x and reads_y name is looked at.
template <Unary f>
[[gnu::always_inline]] inline Batch slope(Batch x, Batch y, Batch alpha) {
  const Batch zero(0.f), one(1.f);
  if constexpr (f == Unary::relu) return xsimd::select(y <= zero, zero, one);
  if constexpr (f == Unary::relu6) return xsimd::select((y <= zero) || (y >= Batch(6.f)), zero, one);
  if constexpr (f == Unary::leaky_relu) return xsimd::select(x > zero, one, alpha);
  if constexpr (f == Unary::gelu) return mul_add(x, normal_pdf(x), normal_cdf(x));
  if constexpr (f == Unary::gelu_tanh) return gelu_tanh_slope(x);
  if constexpr (f == Unary::silu) return sigmoid(x) * mul_add(x, sigmoid(-x), one);
  if constexpr (f == Unary::hard_swish) return hard_swish_slope(x);
  if constexpr (f == Unary::mish) return mish_slope(x);
  if constexpr (f == Unary::softplus) return sigmoid(x);
  if constexpr (f == Unary::sigmoid) return y * (one - y);
  if constexpr (f == Unary::tanh) return one - y * y;
  if constexpr (f == Unary::exp) return y;
  if constexpr (f == Unary::log) return quotient(one, x);
  if constexpr (f == Unary::erf) return exp(-x * x) * Batch(1.12837917f);
  if constexpr (f == Unary::square) return x + x;
  if constexpr (f == Unary::sqrt) return quotient(Batch(0.5f), y);
}

constexpr std::int64_t cost(Unary f) {
  switch (f) {
    case Unary::relu:
    case Unary::relu6:
    case Unary::leaky_relu:
    case Unary::hard_swish:
    case Unary::square: return 1;
    default: return 16;
  }
}

template <Unary f>
void unary(T* y, const T* x, std::int64_t n, T alpha) {
  each_in_parallel(n, cost(f), [=](std::int64_t i, auto at) { at.store(y + i, value<f>(at.load(x + i), Batch(alpha))); });
}

template <Unary f>
void unary_gradient(T* dx, const T* dy, const T* x, const T* y, std::int64_t n, T alpha, bool accumulate) {
  each_in_parallel(n, cost(f), [=](std::int64_t i, auto at) {
    Batch xi(0.f), yi(0.f);
    if constexpr (reads_x[int(f)]) xi = at.load(x + i);
    if constexpr (reads_y[int(f)]) yi = at.load(y + i);
    put(at, dx + i, at.load(dy + i) * slope<f>(xi, yi, Batch(alpha)), accumulate);
  });
}

template <Binary f>
[[gnu::always_inline]] inline Batch combine(Batch a, Batch b) {
  if constexpr (f == Binary::add) return a + b;
  if constexpr (f == Binary::sub) return a - b;
  if constexpr (f == Binary::mul) return a * b;
  if constexpr (f == Binary::div) return quotient(a, b);
}

template <Binary f>
void binary(T* y, const T* a, std::int64_t a_step, const T* b, std::int64_t b_step, std::int64_t n, T alpha, bool accumulate) {
  if (n == 0) return;
  const Batch a_one(*a), b_one(*b);
  each_in_parallel(n, 1, [=](std::int64_t i, auto at) {
    const Batch ai = a_step ? at.load(a + i) : a_one, bi = b_step ? at.load(b + i) : b_one;
    put(at, y + i, Batch(alpha) * combine<f>(ai, bi), accumulate);
  });
}

inline void axpy(T* y, T alpha, const T* x, std::int64_t n, bool accumulate) {
  each_in_parallel(n, 1, [=](std::int64_t i, auto at) { put(at, y + i, Batch(alpha) * at.load(x + i), accumulate); });
}

/// The nearest whole number of |x| <= 2^22; in the middle between two, the even one.
inline Batch nearest(Batch x) {
  const Batch to_integer(0x1.8p23f);
  return (x + to_integer) - to_integer;
}
inline Batch limited(Batch x, float low, float high) { return xsimd::min(Batch(high), xsimd::max(Batch(low), x)); }

inline void fake_quantize(T* y, const T* x, std::int64_t n, const Grid<T>& grid) {
  each_in_parallel(n, 4, [=](std::int64_t i, auto at) {
    at.store(y + i, nearest(limited(quotient(at.load(x + i), Batch(grid.step)), grid.low, grid.high)) * Batch(grid.step));
  });
}

inline void fake_quantize_gradient(T* dx, const T* dy, const T* x, std::int64_t n, const Grid<T>& grid, bool accumulate) {
  each_in_parallel(n, 4, [=](std::int64_t i, auto at) {
    const Batch number = nearest(limited(quotient(at.load(x + i), Batch(grid.step)), grid.low - 1, grid.high + 1));
    const auto inside = (number >= Batch(grid.low)) && (number <= Batch(grid.high));
    put(at, dx + i, xsimd::select(inside, at.load(dy + i), Batch(0.f)), accumulate);
  });
}

inline void adam(T* w, T* m, T* v, const T* g, std::int64_t n, const AdamStep<T>& step) {
  const Batch beta1(step.beta1), beta2(step.beta2), rest1(1 - step.beta1), rest2(1 - step.beta2);
  const Batch rate(step.rate), root(step.root), epsilon(step.epsilon);
  each_in_parallel(n, 4, [=](std::int64_t i, auto at) {
    const Batch gi = at.load(g + i);
    const Batch mi = mul_add(beta1, at.load(m + i), rest1 * gi), vi = mul_add(beta2, at.load(v + i), rest2 * gi * gi);
    at.store(m + i, mi);
    at.store(v + i, vi);
    at.store(w + i, at.load(w + i) - quotient(rate * mi, mul_add(square_root(vi), root, epsilon)));
  });
}

template <Fold f, class V>
[[gnu::always_inline]] inline V folded(V g) {
  if constexpr (f == Fold::sum) return g;
  using std::abs, xsimd::abs;
  if constexpr (f == Fold::magnitude) return abs(g);
  if constexpr (f == Fold::square) return g * g;
}

template <Fold f>
void fold(double* acc, const T* g, std::int64_t n) {
  parallel_blocks(n, 1, [=](std::int64_t begin, std::int64_t count) {
    const std::int64_t end = begin + count, step = Doubles::size;
    std::int64_t i = begin;
    for (; i + step <= end; i += step) (Doubles::load_unaligned(acc + i) + folded<f>(widen(g + i))).store_unaligned(acc + i);
    for (; i < end; ++i) acc[i] += folded<f>(double(g[i]));
  });
}

}  // namespace
}  // namespace safer::kernels
