#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

/// Counters behind the first one's, in the order in which `store` and `zip` want them.
#if defined(__AVX2__)
constexpr Words steps = {0, 2, 1, 3};
#else
constexpr Words steps = {0, 1};
#endif

inline Words product(Words a, Words b) {
#if defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
#endif
}

/// 64 bits a lane, whose low and high halves are words.
inline Words join(Words low, Words high) { return (low & 0xFFFFFFFF) | high << 32; }

/// The words of the blocks, one block after the other.
inline void store(std::uint32_t* to, const Blocks& c) {
  const Words front = join(c.w0, c.w1), back = join(c.w2, c.w3);
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

/// The first words of their pairs and the second ones, in the order in which `zip` wants what is made of them.
inline void store_apart(std::uint32_t* first, std::uint32_t* second, const Blocks& c) {
  const Words a = join(c.w0, c.w2), b = join(c.w1, c.w3);
  std::memcpy(first, &a, sizeof a);
  std::memcpy(second, &b, sizeof b);
}

/// A pair of numbers from each pair of words of some blocks, one block after the other.
inline void zip(float* to, const float* x, const float* y) {
#if defined(__AVX2__)
  const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(y);
  _mm256_storeu_ps(to, _mm256_unpacklo_ps(a, b));
  _mm256_storeu_ps(to + 8, _mm256_unpackhi_ps(a, b));
#elif defined(__SSE2__)
  const __m128 a = _mm_loadu_ps(x), b = _mm_loadu_ps(y);
  _mm_storeu_ps(to, _mm_unpacklo_ps(a, b));
  _mm_storeu_ps(to + 4, _mm_unpackhi_ps(a, b));
#else
  for (std::size_t i = 0; i < 2 * lanes; ++i) to[2 * i] = x[i], to[2 * i + 1] = y[i];
#endif
}

constexpr int rounds = 10;

/// What Philox adds to the words in each of its rounds.
struct RoundKeys {
  explicit RoundKeys(std::uint64_t key) {
    std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < rounds; ++round, k0 += 0x9E3779B9, k1 += 0xBB67AE85)
      of[round][0] = Words{} + k0, of[round][1] = Words{} + k1;
  }
  Words of[rounds][2];
};

/// keep(i, blocks) for `lanes * groups` consecutive blocks, whose words come after i others: several groups, since each waits for
/// its products.
template <std::size_t groups, class Keep>
[[gnu::always_inline]] inline void make_groups(const RoundKeys& keys, std::uint64_t sample, std::uint64_t block, std::size_t i,
                                               const Keep& keep) {
  const Words m0 = Words{} + 0xD2511F53, m1 = Words{} + 0xCD9E8D57;
  Blocks c[groups];
#pragma GCC unroll 8
  for (std::size_t g = 0; g < groups; ++g) {
    const Words counter = block + i / 4 + g * lanes + steps;
    c[g] = {counter, counter >> 32, Words{} + sample, Words{} + (sample >> 32)};
  }
#pragma GCC unroll 10
  for (const Words(&key)[2] : keys.of)
#pragma GCC unroll 8
    for (Blocks& b : c) {
      const Words p0 = product(b.w0, m0), p1 = product(b.w2, m1);
      b = {p1 >> 32 ^ (b.w1 ^ key[0]), p1, p0 >> 32 ^ (b.w3 ^ key[1]), p0};  // the products are what is waited for
    }
#pragma GCC unroll 8
  for (std::size_t g = 0; g < groups; ++g) keep(i + 4 * lanes * g, c[g]);
}

/// The same for enough blocks to have `count` words; up to 15 more are made.
template <class Keep>
[[gnu::always_inline]] inline void make_blocks(const RoundKeys& keys, std::uint64_t sample, std::uint64_t block, std::size_t count,
                                               const Keep& keep) {
  constexpr std::size_t few = 4 / lanes, many = 4, at_once = 4 * lanes * many;
  std::size_t done = 0;
  for (; done + at_once <= count; done += at_once) make_groups<many>(keys, sample, block, done, keep);
  for (; done < count; done += 4 * lanes * few) make_groups<few>(keys, sample, block, done, keep);
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

constexpr std::size_t most_at_once = 512;  // what is made of them in between stays in the first-level cache

inline void fill_uniform(float* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block, std::size_t count) {
  const RoundKeys keys(key);
  std::uint32_t words[most_at_once];
  for (std::size_t done = 0; done < count; done += most_at_once) {
    const std::size_t some = std::min(most_at_once, count - done);
    make_blocks(keys, sample, block + done / 4, some, [&](std::size_t i, const Blocks& c) { store(words + i, c); });
    for (std::size_t i = 0; i < some; ++i) to[done + i] = to_unit(words[i]);
  }
}

inline void fill_normal(float* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block, std::size_t count) {
  constexpr std::size_t zipped = 4 * lanes;
  const RoundKeys keys(key);
  std::uint32_t a[most_at_once / 2], b[most_at_once / 2];
  float x[most_at_once / 2], y[most_at_once / 2], last[zipped];
  for (std::size_t done = 0; done < count; done += most_at_once) {
    const std::size_t some = std::min(most_at_once, count - done), whole = some / zipped * zipped;
    const std::size_t pairs = (some + zipped - 1) / zipped * zipped / 2;
    make_blocks(keys, sample, block + done / 4, some,
                [&](std::size_t i, const Blocks& c) { store_apart(a + i / 2, b + i / 2, c); });
    for (std::size_t i = 0; i < pairs; ++i) to_normal(a[i], b[i], x[i], y[i]);
    for (std::size_t i = 0; i < whole; i += zipped) zip(to + done + i, x + i / 2, y + i / 2);
    if (whole == some) continue;
    zip(last, x + whole / 2, y + whole / 2);
    std::copy_n(last, some - whole, to + done + whole);
  }
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
