#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

/// Numbers of 16 bits that files hold, as the floats of the same value.
namespace safer {

/// IEEE 754 binary16.
inline float float_of_half(std::uint16_t bits) {
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) return std::bit_cast<float>(std::uint32_t(bits & 0x8000) << 16 | 0x7F800000u | std::uint32_t(fraction) << 13);
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
}

/// The upper half of a float.
inline float float_of_bfloat(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

}  // namespace safer
