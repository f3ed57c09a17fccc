#pragma once

#include <cstdint>
#include <string_view>

namespace safer::bench {

/// Floating-point operations of `rounds` rounds of as many independent multiply-adds as keep the units of the instruction set busy,
/// from registers alone; 0 where there is no such loop.
std::int64_t multiply_adds(std::string_view isa, std::int64_t rounds);

/// c[m, n] = a[m, k] b[k, n], row-major, by Eigen for AVX2 (or this processor's baseline).
void eigen_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k);

}  // namespace safer::bench
