#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "engine/random_fill.h"

// The loops behind RandomField, whole blocks of Philox at a time. Included by random.cpp, for the baseline of the processor, and by
// random_avx2.cpp, and by nothing else. Both give the same bits: all of it is integers and correctly rounded operations, and
// neither file may fuse a product with a sum. Everything is internal, so that the linker never takes one's copy for the other's.
namespace safer {

namespace {

// 32-bit words of several blocks, each in the low half of a 64-bit lane, where products of words are at home. What stands in the
// high halves never matters.
#if defined(__AVX2__)
constexpr std::size_t lanes = 4;
#else
constexpr std::size_t lanes = 2;
#endif
using Words [[gnu::vector_size(8 * lanes)]] = std::uint64_t;

struct Blocks {
  Words w0, w1, w2, w3;
};

/// Counters behind the first one's, in the order in which `store` wants them.
#if defined(__AVX2__)
constexpr Words steps = {0, 2, 1, 3};
#else
constexpr Words steps = {0, 1};
#endif

inline Words product(Words a, std::uint32_t b) {
#if defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(b)));
#else
  return (a & 0xFFFFFFFF) * b;
#endif
}

/// The words of the blocks, one block after the other.
inline void store(std::uint32_t* to, const Blocks& c) {
  const Words front = (c.w0 & 0xFFFFFFFF) | c.w1 << 32, back = (c.w2 & 0xFFFFFFFF) | c.w3 << 32;
#if defined(__AVX2__)
  const auto a = reinterpret_cast<__m256i>(front), b = reinterpret_cast<__m256i>(back);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_unpacklo_epi64(a, b));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 8), _mm256_unpackhi_epi64(a, b));
#elif defined(__SSE2__)
  const auto a = reinterpret_cast<__m128i>(front), b = reinterpret_cast<__m128i>(back);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi64(a, b));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi64(a, b));
#else
  for (std::size_t lane = 0; lane < lanes; ++lane)
    for (std::size_t word = 0; word < 4; ++word)
      to[4 * lane + word] = static_cast<std::uint32_t>((word < 2 ? front : back)[lane] >> 32 * (word % 2));
#endif
}

/// Philox's ten rounds for `lanes * groups` consecutive blocks: several groups, since each waits for its products.
inline void make_words(std::uint32_t* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block) {
  constexpr std::size_t groups = 2;
  static_assert(fill_size % (4 * lanes * groups) == 0);
  for (std::size_t done = 0; done < fill_size; done += 4 * lanes * groups) {
    Blocks c[groups];
    for (std::size_t g = 0; g < groups; ++g) {
      const Words counter = block + (done / 4 + g * lanes) + steps;
      c[g] = {counter, counter >> 32, Words{} + sample, Words{} + (sample >> 32)};
    }
    std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85)
      for (Blocks& b : c) {
        const Words p0 = product(b.w0, 0xD2511F53), p1 = product(b.w2, 0xCD9E8D57);
        b = {p1 >> 32 ^ b.w1 ^ std::uint64_t{k0}, p1, p0 >> 32 ^ b.w3 ^ std::uint64_t{k1}, p0};
      }
    for (std::size_t g = 0; g < groups; ++g) store(to + done + 4 * lanes * g, c[g]);
  }
}

inline float to_unit(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// ln u for u in (0, 1]: u = m 2^e with m near 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series.
inline float logarithm(float u) {
  constexpr std::uint32_t root_of_half = 0x3f3504f3;
  const auto bits = std::bit_cast<std::uint32_t>(u);
  const std::int32_t e = static_cast<std::int32_t>(bits - root_of_half) >> 23;
  const float m = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(e) << 23));
  const float s = (m - 1) / (m + 1), s2 = s * s;
  const float series = 1 + s2 * (1 / 3.0f + s2 * (1 / 5.0f + s2 * (1 / 7.0f + s2 * (1 / 9.0f))));
  return static_cast<float>(e) * std::numbers::ln2_v<float> + 2 * s * series;
}

/// Two normal numbers from two words (Box & Muller 1958). No branches and no calls, so that a loop over it becomes vectors.
inline void to_normal(std::uint32_t a, std::uint32_t b, float& x, float& y) {
  const float u = (static_cast<float>(static_cast<std::int32_t>(a >> 1)) + 0.5f) * 0x1p-31f;
  const float radius = std::sqrt(std::max(0.0f, -2 * logarithm(u)));
  // The angle is a number of 2^-24 turns. Folded into an eighth of a turn around a multiple of a quarter, short series do.
  const std::uint32_t turn = b >> 8, quarter = (turn + (1u << 21)) >> 22;
  const float t = static_cast<float>(static_cast<std::int32_t>(turn - (quarter << 22))) * (0x1p-23f * std::numbers::pi_v<float>);
  const float t2 = t * t;
  const float sine = t * (1 + t2 * (-1 / 6.0f + t2 * (1 / 120.0f + t2 * (-1 / 5040.0f + t2 * (1 / 362880.0f)))));
  const float cosine = 1 + t2 * (-1 / 2.0f + t2 * (1 / 24.0f + t2 * (-1 / 720.0f + t2 * (1 / 40320.0f))));
  // An odd number of quarters swaps the two. Selecting by bits keeps branches out.
  const std::uint32_t swap = 0 - (quarter & 1), cosine_bits = std::bit_cast<std::uint32_t>(cosine),
                      other = (cosine_bits ^ std::bit_cast<std::uint32_t>(sine)) & swap;
  const std::uint32_t cosine_sign = ((quarter + 1) & 2) << 30, sine_sign = (quarter & 2) << 30;
  x = radius * std::bit_cast<float>(cosine_bits ^ other ^ cosine_sign);
  y = radius * std::bit_cast<float>(std::bit_cast<std::uint32_t>(sine) ^ other ^ sine_sign);
}

inline void fill_uniform(float* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block) {
  std::uint32_t words[fill_size];
  make_words(words, key, sample, block);
  for (std::size_t i = 0; i < fill_size; ++i) to[i] = to_unit(words[i]);
}

inline void fill_normal(float* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block) {
  std::uint32_t words[fill_size];
  make_words(words, key, sample, block);
  for (std::size_t i = 0; i < fill_size; i += 2) to_normal(words[i], words[i + 1], to[i], to[i + 1]);
}

inline float chosen(std::int32_t mask, float a, float b) {
  return std::bit_cast<float>((std::bit_cast<std::int32_t>(a) & mask) | (std::bit_cast<std::int32_t>(b) & ~mask));
}

/// Given which of the two it was, where u lies in [0, p) or [p, 1) is uniform still, and is stretched over [0, 1).
inline void choose(float* u, float p, const float* values, float* to, std::size_t n) {
  const float of_hit = 1 / p, of_miss = 1 / (1 - p);
  for (std::size_t i = 0; i < n; ++i) {
    const float chance = u[i], beyond = chance - p;
    const std::int32_t hit = std::bit_cast<std::int32_t>(beyond) >> 31;  // all bits or none: no branches, but vectors
    to[i] = chosen(hit, values[i], 0);
    u[i] = chosen(hit, chance, beyond) * chosen(hit, of_hit, of_miss);
  }
}

}  // namespace
}  // namespace safer
