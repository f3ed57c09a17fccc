#if defined(__aarch64__)

#include <arm_neon.h>

#include "engine/kernels/generic/isa.h"

namespace safer::kernels {
namespace {

using Arch = xsimd::neon64;
using Batch = xsimd::batch<float, Arch>;
using Doubles = xsimd::batch<double, Arch>;

// 24 accumulators, 3 vectors of B and 2 of A fit the 32 registers.
constexpr TileShape tile_shape{.rows = 8, .vectors = 3, .tall_rows = 12, .steps = 256};

inline Batch mul_add(Batch a, Batch b, Batch c) { return vfmaq_f32(c, a, b); }
inline Batch quotient(Batch a, Batch b) { return vdivq_f32(a, b); }
inline Batch square_root(Batch v) { return vsqrtq_f32(v); }

inline Doubles widen(const float* from) { return vcvt_f64_f32(vld1_f32(from)); }

using Mask = std::int64_t;  // the number of lanes
inline Mask first(std::int64_t count) { return count; }
inline Batch load(const float* from, Mask count) {
  float lane[4] = {};
  for (std::int64_t i = 0; i < count; ++i) lane[i] = from[i];
  return vld1q_f32(lane);
}
inline void store(float* to, Batch v, Mask count) {
  float lane[4];
  vst1q_f32(lane, v);
  for (std::int64_t i = 0; i < count; ++i) to[i] = lane[i];
}
inline Batch keep(Batch v, Mask count) {
  float lane[4];
  vst1q_f32(lane, v);
  return load(lane, count);
}

inline void unzip(Batch a, Batch b, Batch& even, Batch& odd) { even = vuzp1q_f32(a, b), odd = vuzp2q_f32(a, b); }
inline void zip(Batch even, Batch odd, Batch& a, Batch& b) { a = vzip1q_f32(even, odd), b = vzip2q_f32(even, odd); }

inline Batch load_quads(const float* from, std::int64_t) { return vld1q_f32(from); }
inline void store_quads(float* to, std::int64_t, Batch v) { vst1q_f32(to, v); }
inline void transpose_quads(Batch (&r)[4]) {
  const float32x4_t a = vzip1q_f32(r[0], r[2]), b = vzip2q_f32(r[0], r[2]);
  const float32x4_t c = vzip1q_f32(r[1], r[3]), d = vzip2q_f32(r[1], r[3]);
  r[0] = vzip1q_f32(a, c), r[1] = vzip2q_f32(a, c), r[2] = vzip1q_f32(b, d), r[3] = vzip2q_f32(b, d);
}

}  // namespace
}  // namespace safer::kernels

#include "engine/kernels/generic/table.h"

namespace safer::kernels {
extern const KernelTable<float> neon64_table;
constinit const KernelTable<float> neon64_table = make_table("neon64");
}  // namespace safer::kernels

#endif
