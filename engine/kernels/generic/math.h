#pragma once

#include <cstdint>
#include <limits>

#include "engine/kernels/generic/simd.h"

// exp, log, tanh and erf to a few units in the last place over all floats, denormals, infinities and NaN included. Coefficients are
// minimax fits in relative error (below 2.2e-8 each); tests measure the error against double precision.
namespace safer::kernels {
namespace {

/// Limits to [-most, most]; NaN stays NaN, which the order of the arguments decides on x86.
inline Batch clamp(Batch x, float most) { return xsimd::max(Batch(-most), xsimd::min(Batch(most), x)); }

/// c0 + c1 x + c2 x^2 + ...
template <class... C>
inline Batch polynomial(Batch x, float c0, C... c) {
  if constexpr (sizeof...(c) == 0)
    return Batch(c0);
  else
    return mul_add(polynomial(x, c...), x, Batch(c0));
}

/// exp(x) = 2^n exp(r) with |r| <= log(2) / 2; log(2) in two parts, so that r has no rounding error.
inline Batch exp(Batch x) {
  constexpr float most = 104;              // beyond, the result is 0 or infinite
  constexpr float to_integer = 0x1.8p23f;  // adding it rounds to an integer, which stands in the low bits
  x = clamp(x, most);
  const Batch shifted = mul_add(x, Batch(1.44269504f), Batch(to_integer)), n = shifted - Batch(to_integer);
  const Batch r = mul_add(n, Batch(-1.42860677e-6f), mul_add(n, Batch(-0.693145752f), x));
  const Batch tail = polynomial(r, 0.499999934f, 0.166665201f, 0.0416683942f, 0.00836878048f, 0.00138144663f);
  const Batch y = mul_add(r * r, tail, r) + Batch(1.f);
  // 2^n may be no float where exp(x) is one, so it is applied in two halves
  using Integers = xsimd::batch<std::int32_t, Arch>;
  const auto power = [](Integers e) { return xsimd::bitwise_cast<Batch>((e + Integers(127)) << 23); };
  const Integers whole = xsimd::bitwise_cast<Integers>(shifted) - xsimd::bitwise_cast<Integers>(Batch(to_integer));
  const Integers half = whole >> 1;
  return y * power(half) * power(whole - half);
}

/// log(x) = e log(2) + log(1 + f) with 2^e (1 + f) = x and 1/sqrt(2) <= 1 + f < sqrt(2); log(2) in two parts, of which e times the
/// first has no rounding error.
inline Batch log(Batch x) {
  using Integers = xsimd::batch<std::int32_t, Arch>;
  constexpr float smallest = 0x1p-126f, scale = 0x1p25f;  // denormals are scaled, as their exponent says nothing
  constexpr std::int32_t root_half = 0x3f3504f3;          // the bits of 1/sqrt(2)
  const auto small = x < Batch(smallest);
  const Integers bits = xsimd::bitwise_cast<Integers>(xsimd::select(small, x * Batch(scale), x)) - Integers(root_half);
  const Integers exponent = bits >> 23;
  const Batch f = xsimd::bitwise_cast<Batch>(bits - (exponent << 23) + Integers(root_half)) - Batch(1.f);
  constexpr float to_integer = 0x1.8p23f;  // as in exp, the other way
  const Batch whole = xsimd::bitwise_cast<Batch>(exponent + xsimd::bitwise_cast<Integers>(Batch(to_integer))) - Batch(to_integer);
  const Batch e = whole - xsimd::select(small, Batch(25.f), Batch(0.f));
  const Batch tail = polynomial(f, 0.333333135f, -0.250000089f, 0.200021192f, -0.166679963f, 0.142195508f, -0.124055915f,
                                0.118881747f, -0.116756409f, 0.0674660131f);
  const Batch rest = mul_add(e, Batch(1.42860677e-6f), f * f * mul_add(f, tail, Batch(-0.5f)));
  const Batch y = mul_add(e, Batch(0.693145752f), f + rest);
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const Batch positive = xsimd::select(x < Batch(infinity), y, x);  // infinity and NaN stay what they are
  return xsimd::select(x < Batch(0.f), Batch(nan), xsimd::select(x == Batch(0.f), Batch(-infinity), positive));
}

/// y, but 1 or -1 where x lies beyond `limit`: there y has rounding errors that functions like x (1 + erf(x)) would blow up.
inline Batch saturate(Batch x, float limit, Batch y) {
  return xsimd::select(x >= Batch(limit), Batch(1.f), xsimd::select(x <= Batch(-limit), Batch(-1.f), y));
}

/// x P(x^2) / Q(x^2) up to where tanh rounds to 1.
inline Batch tanh(Batch x) {
  constexpr float limit = 9.02f;
  x = clamp(x, limit);
  const Batch z = x * x;
  const Batch p = polynomial(z, 1.f, 0.1368152367f, 3.870317523e-3f, 2.804604190e-5f, 3.067154834e-8f, -1.226200826e-11f);
  const Batch q = polynomial(z, 1.f, 0.4701485616f, 2.725318782e-2f, 3.942083589e-4f, 1.289978843e-6f);
  return saturate(x, limit, clamp(quotient(x * p, q), 1));
}

/// As tanh.
inline Batch erf(Batch x) {
  constexpr float limit = 3.95f;
  x = clamp(x, limit);
  const Batch z = x * x;
  const Batch p = polynomial(z, 1.128379167f, 0.1909898048f, 5.280086943e-2f, 3.783725165e-3f, 2.840684075e-4f, 2.029467425e-6f);
  const Batch q = polynomial(z, 1.f, 0.5025932074f, 0.1143273444f, 1.500662180e-2f, 1.164646316e-3f, 3.783592772e-5f);
  return saturate(x, limit, clamp(quotient(x * p, q), 1));
}

/// 1 / (1 + exp(-x)), with an exp that cannot overflow.
inline Batch sigmoid(Batch x) {
  const Batch e = exp(-xsimd::abs(x));
  return quotient(xsimd::select(x < Batch(0.f), e, Batch(1.f)), e + Batch(1.f));
}

}  // namespace
}  // namespace safer::kernels
