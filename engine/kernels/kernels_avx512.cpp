#if defined(__x86_64__) && !defined(SAFER_WITHOUT_AVX512)

#include <immintrin.h>

#include "engine/kernels/generic/isa.h"

namespace safer::kernels {
namespace {

using Arch = xsimd::avx512bw;
using Batch = xsimd::batch<float, Arch>;
using Doubles = xsimd::batch<double, Arch>;

// 28 accumulators, 2 vectors of B and a broadcast of A fit the 32 registers.
constexpr TileShape tile_shape{.rows = 14, .vectors = 2, .tall_rows = 16, .steps = 512};

inline Batch mul_add(Batch a, Batch b, Batch c) { return _mm512_fmadd_ps(a, b, c); }
inline Batch quotient(Batch a, Batch b) { return a / b; }
inline Batch square_root(Batch v) { return xsimd::sqrt(v); }

inline Doubles widen(const float* from) { return _mm512_cvtps_pd(_mm256_loadu_ps(from)); }

using Mask = __mmask16;
inline Mask first(std::int64_t count) { return static_cast<Mask>((1u << count) - 1); }
inline Batch load(const float* from, Mask mask) { return _mm512_maskz_loadu_ps(mask, from); }
inline void store(float* to, Batch v, Mask mask) { _mm512_mask_storeu_ps(to, mask, v); }
inline Batch keep(Batch v, Mask mask) { return _mm512_maskz_mov_ps(mask, v); }

inline void unzip(Batch a, Batch b, Batch& even, Batch& odd) {
  const __m512i first = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  even = _mm512_permutex2var_ps(a, first, b);
  odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(first, _mm512_set1_epi32(1)), b);
}
inline void zip(Batch even, Batch odd, Batch& a, Batch& b) {
  const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  a = _mm512_permutex2var_ps(even, first, odd);
  b = _mm512_permutex2var_ps(even, _mm512_add_epi32(first, _mm512_set1_epi32(8)), odd);
}

inline Batch load_quads(const float* from, std::int64_t stride) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(from + stride), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 2 * stride), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(from + 3 * stride), 3);
}
inline void store_quads(float* to, std::int64_t stride, Batch v) {
  _mm_storeu_ps(to, _mm512_castps512_ps128(v));
  _mm_storeu_ps(to + stride, _mm512_extractf32x4_ps(v, 1));
  _mm_storeu_ps(to + 2 * stride, _mm512_extractf32x4_ps(v, 2));
  _mm_storeu_ps(to + 3 * stride, _mm512_extractf32x4_ps(v, 3));
}
inline void transpose_quads(Batch (&r)[4]) {
  const __m512 a = _mm512_unpacklo_ps(r[0], r[1]), b = _mm512_unpackhi_ps(r[0], r[1]);
  const __m512 c = _mm512_unpacklo_ps(r[2], r[3]), d = _mm512_unpackhi_ps(r[2], r[3]);
  r[0] = _mm512_shuffle_ps(a, c, 0x44), r[1] = _mm512_shuffle_ps(a, c, 0xEE);
  r[2] = _mm512_shuffle_ps(b, d, 0x44), r[3] = _mm512_shuffle_ps(b, d, 0xEE);
}

}  // namespace
}  // namespace safer::kernels

#include "engine/kernels/generic/table.h"

namespace safer::kernels {
extern const KernelTable<float> avx512_table;
constinit const KernelTable<float> avx512_table = make_table("avx512");
}  // namespace safer::kernels

#endif
