#pragma once

#include "engine/kernels/generic/simd.h"

// The innermost part of products and convolutions: one tile of the result, held in registers while k runs.
namespace safer::kernels {
namespace {

/// c[rows, columns] (+)= start + A B, summed over k steps in order; then what `last_step` says. A(i, p) = a[i * a_row + p * a_col];
/// row p of B starts at b + b_rows[p]. start: one value a column, or nullptr (0);
/// row_start: one value a row, in place of start.
struct Tile {
  const float* a;
  std::int64_t a_row, a_col;
  const float* b;
  const std::int64_t* b_rows;
  const float* ahead;  // fetched into the caches, a line each ahead_row numbers a step
  std::int64_t ahead_row;
  float* c;
  std::int64_t c_row;
  const float* start;
  const float* row_start;
  std::int64_t k;
  std::int64_t last;  // columns in the last vector
  bool add;
  bool last_step = false;           // c = min(high, max(low, c + residual)) before it is stored
  const float* residual = nullptr;  // rows lie as those of c; nullptr: 0
  float low = 0, high = 0;
};

/// The columns of one row of B, C or `start`; the last vector holds only those in `mask` if `partial`.
template <bool partial, std::size_t vectors>
[[gnu::always_inline]] inline void load_row(Batch (&row)[vectors], const float* from, Mask mask) {
  unroll<vectors>([&](auto v) {
    if constexpr (partial && v + 1 == vectors)
      row[v] = load(from + v * lanes, mask);
    else
      row[v] = load(from + v * lanes);
  });
}

template <bool partial, std::size_t vectors>
[[gnu::always_inline]] inline void store_row(float* to, const Batch (&row)[vectors], Mask mask) {
  unroll<vectors>([&](auto v) {
    if constexpr (partial && v + 1 == vectors)
      store(to + v * lanes, row[v], mask);
    else
      store(to + v * lanes, row[v]);
  });
}

/// acc += from, rows apart as those of c.
template <bool partial, std::size_t rows, std::size_t vectors>
[[gnu::always_inline]] inline void add_tile(Batch (&acc)[rows][vectors], const float* from, std::int64_t row, Mask mask) {
  unroll<rows>([&](auto i) {
    Batch other[vectors];
    load_row<partial>(other, from + i * row, mask);
    unroll<vectors>([&](auto v) { acc[i][v] += other[v]; });
  });
}

constexpr std::int64_t worth_prefetching = 64;  // steps that hide the time until c is in the first-level cache

template <std::size_t rows, std::size_t vectors, bool partial>
void tile(const Tile& t) {
  const Mask mask = partial ? first(t.last) : Mask{};
  Batch acc[rows][vectors];
  unroll<vectors>([&](auto v) { acc[0][v] = Batch(0.f); });
  if (t.start) load_row<partial>(acc[0], t.start, mask);
  unroll<rows - 1>([&](auto i) { unroll<vectors>([&](auto v) { acc[i + 1][v] = acc[0][v]; }); });
  if (t.row_start) unroll<rows>([&](auto i) { unroll<vectors>([&](auto v) { acc[i][v] = Batch(t.row_start[i]); }); });
  if (t.k >= worth_prefetching)
    unroll<rows>([&](auto i) { unroll<vectors>([&](auto v) { __builtin_prefetch(t.c + i * t.c_row + v * lanes); }); });

  const float* a = t.a;
  const float* ahead = t.ahead;
  for (std::int64_t p = 0; p < t.k; ++p, a += t.a_col, ahead += t.ahead_row) {
    Batch row[vectors];
    __builtin_prefetch(ahead);
    const float* b = t.b + t.b_rows[p];
    load_row<partial>(row, b, mask);
    unroll<rows>([&](auto i) {
      const Batch ai(a[i * t.a_row]);
      unroll<vectors>([&](auto v) { acc[i][v] = mul_add(ai, row[v], acc[i][v]); });
    });
  }
  if (t.add) add_tile<partial>(acc, t.c, t.c_row, mask);
  if (t.last_step) {
    if (t.residual) add_tile<partial>(acc, t.residual, t.c_row, mask);
    const Batch low(t.low), high(t.high);
    unroll<rows>([&](auto i) { unroll<vectors>([&](auto v) { acc[i][v] = xsimd::min(high, xsimd::max(low, acc[i][v])); }); });
  }
  unroll<rows>([&](auto i) { store_row<partial>(t.c + i * t.c_row, acc[i], mask); });
}

using TileKernel = void(const Tile&);

/// At most this many rows make a tile of so many vectors.
constexpr int most_rows(int vectors) { return vectors == 1 ? tile_shape.tall_rows : tile_shape.rows; }

/// by_size[vectors - 1][rows - 1][partial]
struct TileKernels {
  TileKernel* by_size[tile_shape.vectors][tile_shape.tall_rows][2];
};

constexpr TileKernels all_tiles() {
  TileKernels kernels{};
  unroll<tile_shape.vectors>([&](auto v) {
    unroll<most_rows(v + 1)>([&](auto r) {
      kernels.by_size[v][r][false] = &tile<r + 1, v + 1, false>;
      kernels.by_size[v][r][true] = &tile<r + 1, v + 1, true>;
    });
  });
  return kernels;
}
constexpr TileKernels tile_kernels = all_tiles();

}  // namespace
}  // namespace safer::kernels
