#include "bench/kernels_bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace safer::bench {
namespace {

constexpr int chains = 12;

/// One function an instruction set, as its instructions may only be used inside: 12 chains of x = x factor + term, kept in
/// registers by an empty asm that says they change.
#define SAFER_PEAK(name, target, Vector, set, multiply_add)                                                      \
  target std::int64_t name(std::int64_t rounds) {                                                                \
    const Vector factor = set(0.999f), term = set(0.001f);                                                       \
    Vector a = set(0.f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;                          \
    Vector k = a, l = a;                                                                                         \
    for (std::int64_t r = 0; r < rounds; ++r) {                                                                  \
      a = multiply_add(a, factor, term), b = multiply_add(b, factor, term);                                      \
      c = multiply_add(c, factor, term), d = multiply_add(d, factor, term);                                      \
      e = multiply_add(e, factor, term), f = multiply_add(f, factor, term);                                      \
      g = multiply_add(g, factor, term), h = multiply_add(h, factor, term);                                      \
      i = multiply_add(i, factor, term), j = multiply_add(j, factor, term);                                      \
      k = multiply_add(k, factor, term), l = multiply_add(l, factor, term);                                      \
      asm volatile(""                                                                                            \
                   : "+" SAFER_REGISTER(a), "+" SAFER_REGISTER(b), "+" SAFER_REGISTER(c), "+" SAFER_REGISTER(d), \
                     "+" SAFER_REGISTER(e), "+" SAFER_REGISTER(f));                                              \
      asm volatile(""                                                                                            \
                   : "+" SAFER_REGISTER(g), "+" SAFER_REGISTER(h), "+" SAFER_REGISTER(i), "+" SAFER_REGISTER(j), \
                     "+" SAFER_REGISTER(k), "+" SAFER_REGISTER(l));                                              \
    }                                                                                                            \
    return 2 * rounds * chains * std::int64_t(sizeof(Vector) / sizeof(float));                                   \
  }

#if defined(__x86_64__)
#define SAFER_REGISTER(v) "v"(v)
inline __m128 sse2_multiply_add(__m128 x, __m128 factor, __m128 term) { return _mm_add_ps(_mm_mul_ps(x, factor), term); }
SAFER_PEAK(sse2, , __m128, _mm_set1_ps, sse2_multiply_add)
SAFER_PEAK(avx2, __attribute__((target("avx2,fma"))), __m256, _mm256_set1_ps, _mm256_fmadd_ps)
SAFER_PEAK(avx512, __attribute__((target("avx512f"))), __m512, _mm512_set1_ps, _mm512_fmadd_ps)
#elif defined(__aarch64__)
#define SAFER_REGISTER(v) "w"(v)
inline float32x4_t neon_multiply_add(float32x4_t x, float32x4_t factor, float32x4_t term) { return vfmaq_f32(term, x, factor); }
SAFER_PEAK(neon64, , float32x4_t, vdupq_n_f32, neon_multiply_add)
#endif

}  // namespace

std::int64_t multiply_adds(std::string_view isa, std::int64_t rounds) {
#if defined(__x86_64__)
  if (isa == "sse2") return sse2(rounds);
  if (isa == "avx2") return avx2(rounds);
  if (isa == "avx512") return avx512(rounds);
#elif defined(__aarch64__)
  if (isa == "neon64") return neon64(rounds);
#endif
  return 0;
}

}  // namespace safer::bench
