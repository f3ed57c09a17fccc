#pragma once

#include "engine/kernels/generic/epilogue.h"
#include "engine/kernels/generic/gemm_pack.h"

// The innermost part of convolutions: a tile of the result, held in registers while k runs, whose left factor is read one number at
// a time from wherever it lies. So images need no copy in which windows stand side by side (im2col), whatever stride and dilation.
namespace safer::kernels {
namespace {

constexpr std::int64_t gather_block = 256;  // steps of k at once; their part of b stays in the first-level cache

/// to[rows, columns] = base + the sum over k steps p of a[i * a_row + places[p]] b[p * panel_columns + column].
struct GatherTile {
  const float* a;
  std::int64_t a_row;
  const std::int64_t* places;
  const float* b;
  float* to;  // rows of panel_columns, to_row apart
  std::int64_t to_row, k;
  const float* base;  // nullptr: 0
  std::int64_t base_row;
};

template <std::size_t rows, std::size_t vectors>
void gather_tile(const GatherTile& t) {
  Batch acc[rows][vectors];
  unroll<rows>([&](auto i) { unroll<vectors>([&](auto v) { acc[i][v] = Batch(0.f); }); });
  const float* b = t.b;
  for (std::int64_t p = 0; p < t.k; ++p, b += panel_columns) {
    Batch row[vectors];
    unroll<vectors>([&](auto v) { row[v] = load(b + v * lanes); });
    const float* const a = t.a + t.places[p];
    unroll<rows>([&](auto i) {
      const Batch ai(a[i * t.a_row]);
      unroll<vectors>([&](auto v) { acc[i][v] = mul_add(ai, row[v], acc[i][v]); });
    });
  }
  unroll<rows>([&](auto i) {
    unroll<vectors>([&](auto v) {
      store(t.to + i * t.to_row + v * lanes, t.base ? load(t.base + i * t.base_row + v * lanes) + acc[i][v] : acc[i][v]);
    });
  });
}

using GatherTileKernel = void(const GatherTile&);
/// by_size[vectors - 1][rows - 1]
struct GatherTiles {
  GatherTileKernel* by_size[tile_shape.vectors][tile_shape.rows];
};
constexpr GatherTiles all_gather_tiles() {
  GatherTiles tiles{};
  unroll<tile_shape.vectors>(
      [&](auto v) { unroll<tile_shape.rows>([&](auto r) { tiles.by_size[v][r] = &gather_tile<r + 1, v + 1>; }); });
  return tiles;
}
constexpr GatherTiles gather_tiles = all_gather_tiles();

/// `count` rows cut into tiles as even as can be: a tile of few rows does not fill the pipeline.
struct Cut {
  explicit Cut(std::int64_t count) : tiles(pieces(count, tile_shape.rows)), rows(count / tiles), larger(count % tiles) {}
  std::int64_t tiles, rows, larger;  // so many of the tiles have a row more
  std::int64_t first(std::int64_t tile) const { return tile * rows + std::min(tile, larger); }
  std::int64_t count(std::int64_t tile) const { return rows + (tile < larger); }
};

/// to[column * row + i] = clamp(sums[i * panel_columns + column] + residual) for i < n and some columns; residual: laid out as
/// `to`, or nullptr (0).
inline void put_transposed(float* to, std::int64_t row, const float* sums, std::int64_t n, std::int64_t columns,
                           const float* residual, const Clamp& clamp = {}) {
  const std::int64_t whole = columns / lanes * lanes;
  const Batch low(clamp.low), high(clamp.high);
  std::int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (std::int64_t column = 0; column < whole; column += lanes) {
      Batch quads[4];
      unroll<4>([&](auto j) { quads[j] = load(sums + (i + j) * panel_columns + column); });
      transpose_quads(quads);
      unroll<4>([&](auto j) {
        const std::int64_t at = (column + j) * row + i;
        if (residual) quads[j] += load_quads(residual + at, 4 * row);
        store_quads(to + at, 4 * row, xsimd::min(high, xsimd::max(low, quads[j])));
      });
    }
  for (std::int64_t column = 0; column < columns; ++column)
    for (std::int64_t k = column < whole ? i : 0; k < n; ++k) {
      const float sum = sums[k * panel_columns + column] + (residual ? residual[column * row + k] : 0);
      to[column * row + k] = sum < clamp.low ? clamp.low : sum > clamp.high ? clamp.high : sum;
    }
}

}  // namespace
}  // namespace safer::kernels
