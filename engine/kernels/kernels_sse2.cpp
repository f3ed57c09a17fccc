#if defined(__x86_64__)

#include <emmintrin.h>

#include "engine/kernels/generic/isa.h"

namespace safer::kernels {
namespace {

using Arch = xsimd::sse2;
using Batch = xsimd::batch<float, Arch>;
using Doubles = xsimd::batch<double, Arch>;

// 12 accumulators, 3 vectors of B and a product fill the 16 registers.
constexpr TileShape tile_shape{.rows = 4, .vectors = 3, .tall_rows = 8, .steps = 256};

inline Batch mul_add(Batch a, Batch b, Batch c) { return a * b + c; }
inline Batch quotient(Batch a, Batch b) { return a / b; }
inline Batch square_root(Batch v) { return xsimd::sqrt(v); }

inline Doubles widen(const float* from) {
  return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}

using Mask = std::int64_t;  // the number of lanes
inline Mask first(std::int64_t count) { return count; }
inline Batch load(const float* from, Mask count) {
  if (count == 0) return Batch(0.f);
  if (count == 1) return _mm_load_ss(from);
  const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  return count == 2 ? two : _mm_movelh_ps(two, _mm_load_ss(from + 2));
}
inline void store(float* to, Batch v, Mask count) {
  if (count == 0) return;
  if (count == 1) return _mm_store_ss(to, v);
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_castps_si128(v));
  if (count == 3) _mm_store_ss(to + 2, _mm_movehl_ps(v, v));
}
inline Batch keep(Batch v, Mask count) {
  const __m128i lane = _mm_setr_epi32(0, 1, 2, 3);
  return _mm_and_ps(v, _mm_castsi128_ps(_mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(count)), lane)));
}

inline void unzip(Batch a, Batch b, Batch& even, Batch& odd) {
  even = _mm_shuffle_ps(a, b, 0x88), odd = _mm_shuffle_ps(a, b, 0xDD);
}
inline void zip(Batch even, Batch odd, Batch& a, Batch& b) { a = _mm_unpacklo_ps(even, odd), b = _mm_unpackhi_ps(even, odd); }

inline Batch load_quads(const float* from, std::int64_t) { return _mm_loadu_ps(from); }
inline void store_quads(float* to, std::int64_t, Batch v) { _mm_storeu_ps(to, v); }
inline void transpose_quads(Batch (&r)[4]) {
  const __m128 a = _mm_unpacklo_ps(r[0], r[1]), b = _mm_unpackhi_ps(r[0], r[1]);
  const __m128 c = _mm_unpacklo_ps(r[2], r[3]), d = _mm_unpackhi_ps(r[2], r[3]);
  r[0] = _mm_shuffle_ps(a, c, 0x44), r[1] = _mm_shuffle_ps(a, c, 0xEE);
  r[2] = _mm_shuffle_ps(b, d, 0x44), r[3] = _mm_shuffle_ps(b, d, 0xEE);
}

}  // namespace
}  // namespace safer::kernels

#include "engine/kernels/generic/table.h"

namespace safer::kernels {
extern const KernelTable<float> sse2_table;
constinit const KernelTable<float> sse2_table = make_table("sse2");
}  // namespace safer::kernels

#endif
