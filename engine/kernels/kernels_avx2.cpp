#if defined(__x86_64__)

#include <immintrin.h>

#include "engine/kernels/generic/isa.h"

namespace safer::kernels {
namespace {

using Arch = xsimd::fma3<xsimd::avx2>;
using Batch = xsimd::batch<float, Arch>;
using Doubles = xsimd::batch<double, Arch>;

// 12 accumulators, 2 vectors of B and a broadcast of A fill the 16 registers.
constexpr TileShape tile_shape{.rows = 6, .vectors = 2, .tall_rows = 12, .steps = 256};

inline Batch mul_add(Batch a, Batch b, Batch c) { return _mm256_fmadd_ps(a, b, c); }
inline Batch quotient(Batch a, Batch b) { return a / b; }
inline Batch square_root(Batch v) { return xsimd::sqrt(v); }

inline Doubles widen(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }

struct Mask {
  __m256i bits;
  std::int64_t count;
};
inline Mask first(std::int64_t count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane), count};
}
inline Batch load(const float* from, Mask mask) { return _mm256_maskload_ps(from, mask.bits); }
/// In up to three parts: the instruction that stores under a mask takes AMD's processors dozens of steps.
inline void store(float* to, Batch v, Mask mask) {
  __m128 rest = _mm256_castps256_ps128(v);
  if (mask.count & 4) {
    _mm_storeu_ps(to, rest);
    rest = _mm256_extractf128_ps(v, 1);
    to += 4;
  }
  if (mask.count & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(to), rest);
    rest = _mm_movehl_ps(rest, rest);
    to += 2;
  }
  if (mask.count & 1) _mm_store_ss(to, rest);
}
inline Batch keep(Batch v, Mask mask) { return _mm256_and_ps(v, _mm256_castsi256_ps(mask.bits)); }

inline void unzip(Batch a, Batch b, Batch& even, Batch& odd) {
  const __m256 low = _mm256_permute2f128_ps(a, b, 0x20), high = _mm256_permute2f128_ps(a, b, 0x31);
  even = _mm256_shuffle_ps(low, high, 0x88), odd = _mm256_shuffle_ps(low, high, 0xDD);
}
inline void zip(Batch even, Batch odd, Batch& a, Batch& b) {
  const __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
  a = _mm256_permute2f128_ps(low, high, 0x20), b = _mm256_permute2f128_ps(low, high, 0x31);
}

inline Batch load_quads(const float* from, std::int64_t stride) {
  return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from)), _mm_loadu_ps(from + stride), 1);
}
inline void store_quads(float* to, std::int64_t stride, Batch v) {
  _mm_storeu_ps(to, _mm256_castps256_ps128(v));
  _mm_storeu_ps(to + stride, _mm256_extractf128_ps(v, 1));
}
inline void transpose_quads(Batch (&r)[4]) {
  const __m256 a = _mm256_unpacklo_ps(r[0], r[1]), b = _mm256_unpackhi_ps(r[0], r[1]);
  const __m256 c = _mm256_unpacklo_ps(r[2], r[3]), d = _mm256_unpackhi_ps(r[2], r[3]);
  r[0] = _mm256_shuffle_ps(a, c, 0x44), r[1] = _mm256_shuffle_ps(a, c, 0xEE);
  r[2] = _mm256_shuffle_ps(b, d, 0x44), r[3] = _mm256_shuffle_ps(b, d, 0xEE);
}

}  // namespace
}  // namespace safer::kernels

#include "engine/kernels/generic/table.h"

namespace safer::kernels {
extern const KernelTable<float> avx2_table;
constinit const KernelTable<float> avx2_table = make_table("avx2");
}  // namespace safer::kernels

#endif
