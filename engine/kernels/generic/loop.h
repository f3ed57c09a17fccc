#pragma once

#include <algorithm>

#include "engine/kernels/generic/simd.h"
#include "engine/parallel.h"

// Loops over arrays, a vector at a time; the rest of an array goes through the same body with a mask.
namespace safer::kernels {
namespace {

/// How a loop body reads and writes a whole vector.
struct Whole {
  static Batch load(const float* from) { return kernels::load(from); }
  static void store(float* to, Batch v) { kernels::store(to, v); }
  static Batch only(Batch v) { return v; }
};

/// How it reads and writes the first lanes of one; the others are read as 0, and only() makes them 0.
struct Part {
  Mask mask;
  Batch load(const float* from) const { return kernels::load(from, mask); }
  void store(float* to, Batch v) const { kernels::store(to, v, mask); }
  Batch only(Batch v) const { return keep(v, mask); }
};

/// to[0..] (+)= v
template <class Access>
[[gnu::always_inline]] inline void put(const Access& at, float* to, Batch v, bool accumulate) {
  at.store(to, accumulate ? at.load(to) + v : v);
}

/// f(i, access) for the vectors that start at i = begin, begin + lanes, ...
template <class F>
[[gnu::always_inline]] inline void each(std::int64_t begin, std::int64_t end, const F& f) {
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) f(i, Whole{});
  if (i < end) f(i, Part{first(end - i)});
}

/// f(i, access) for vectors that cover 0 .. n-1. Where f may be called twice for an element the last vector overlaps the one before
/// it, which costs less than a mask.
template <class F>
[[gnu::always_inline]] inline void each_overlapping(std::int64_t n, bool twice, const F& f) {
  if (n < lanes || !twice) return each(0, n, f);
  for (std::int64_t j = 0; j + lanes <= n; j += lanes) f(j, Whole{});
  if (n % lanes != 0) f(n - lanes, Whole{});
}

constexpr std::int64_t pieces(std::int64_t n, std::int64_t piece) { return (n + piece - 1) / piece; }

/// each() over 0..n-1, in parallel when the array is long; `cost`: operations an element.
template <class F>
inline void each_in_parallel(std::int64_t n, std::int64_t cost, const F& f) {
  parallel_blocks(n, cost, [&](std::int64_t begin, std::int64_t count) { each(begin, begin + count, f); });
}

template <std::size_t half, class F>
[[gnu::always_inline]] inline void combine_halves(float* lane, const F& f) {
  if constexpr (half > 0) {
    unroll<half>([&](auto i) { lane[i] = f(lane[i], lane[i + half]); });
    combine_halves<half / 2>(lane, f);
  }
}

/// Combines the lanes in a fixed order, halves first.
template <class F>
[[gnu::always_inline]] inline float across(Batch v, const F& f) {
  alignas(64) float lane[lanes];
  store(lane, v);
  combine_halves<lanes / 2>(lane, f);
  return lane[0];
}
inline float total(Batch v) {
  return across(v, [](float a, float b) { return a + b; });
}

/// Sum of term(i, access) over the vectors of 0..n-1, in a fixed order. Lanes that a mask excludes must come out as 0.
template <class F>
[[gnu::always_inline]] inline Batch sum_of(std::int64_t n, const F& term) {
  constexpr int chains = 4;  // independent, as an addition takes several cycles
  Batch acc[chains];
  unroll<chains>([&](auto c) { acc[c] = Batch(0.f); });
  std::int64_t i = 0;
  for (; i + chains * lanes <= n; i += chains * lanes) unroll<chains>([&](auto c) { acc[c] += term(i + c * lanes, Whole{}); });
  each(i, n, [&](std::int64_t j, auto at) { acc[0] += term(j, at); });
  return (acc[0] + acc[1]) + (acc[2] + acc[3]);
}

}  // namespace
}  // namespace safer::kernels
