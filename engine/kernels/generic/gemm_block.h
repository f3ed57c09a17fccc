#pragma once

#include <utility>

#include "engine/kernels/generic/epilogue.h"
#include "engine/kernels/generic/gemm_pack.h"
#include "engine/kernels/generic/gemm_tile.h"

// A block of a product from tiles: what gemm and the convolutions share.
namespace safer::kernels {
namespace {

/// Panels of B: row p of panel q starts at data + q * panel + rows[p].
struct Panels {
  const float* data;
  const std::int64_t* rows;
  std::int64_t panel;
};

/// p * step for p below k.
constexpr void fill_offsets(std::int64_t (&at)[k_block], std::int64_t step, std::int64_t k) {
  for (std::int64_t p = 0; p < k; ++p) at[p] = p * step;
}
struct PackedRows {
  constexpr PackedRows() : at{} { fill_offsets(at, panel_columns, k_block); }
  std::int64_t at[k_block];
};
constexpr PackedRows packed_rows;

/// What will be copied next, fetched into the caches while tiles are computed: a line of 64 bytes in each of its rows a tile.
struct Ahead {
  const float* from = nullptr;
  std::int64_t row = 0, lines = 0;
  const float* take() {
    if (lines == 0) return nullptr;
    --lines;
    return std::exchange(from, from + 16);
  }
};

/// Where a block of the result goes, and what is done to it.
struct Result {
  float* c;
  std::int64_t row, panel;  // from one row to the next, from one panel of columns to the next
  const float* start;       // one value a column, before the first step; nullptr: 0
  const float* row_start;   // one value a row in place of it
  bool add;
  bool last_step;         // the epilogue's residual and clamp follow
  const float* residual;  // laid out as c
  Clamp clamp;
};

/// The tiles first .. end - 1 of rows.
struct TileRange {
  std::int64_t first, end;
};

/// c (+)= start + a b over k steps for some tiles of rows, whose first row is `top` rows below c, and the first n columns.
inline void multiply_rows(const RowTiles& tiles, TileRange range, std::int64_t top, const Rows& a, const Panels& b, const Result& c,
                          std::int64_t n, std::int64_t k, Ahead& ahead) {
  for (std::int64_t j = 0; j < n; j += panel_columns) {
    const std::int64_t q = j / panel_columns, columns = std::min(panel_columns, n - j), vectors = pieces(columns, lanes);
    const std::int64_t last = columns - (vectors - 1) * lanes;
    const auto& kernels = tile_kernels.by_size[vectors - 1];
    Tile tile{.a = nullptr,
              .a_row = a.row,
              .a_col = 0,
              .b = b.data + q * b.panel,
              .b_rows = b.rows,
              .ahead = nullptr,
              .ahead_row = 0,
              .c = nullptr,
              .c_row = c.row,
              .start = c.start ? c.start + j : nullptr,
              .row_start = nullptr,
              .k = k,
              .last = last,
              .add = c.add,
              .last_step = c.last_step,
              .low = c.clamp.low,
              .high = c.clamp.high};
    const auto multiply_tile = [&](const float* from, std::int64_t row, std::int64_t rows) {
      const std::int64_t at = (row - top) * c.row + q * c.panel;
      const float* const line = ahead.take();
      tile.a = from;
      tile.a_col = a.col(rows);
      tile.ahead = line ? line : b.data;
      tile.ahead_row = line ? ahead.row : 0;
      tile.c = c.c + at;
      if (c.row_start) tile.row_start = c.row_start + row - top;
      if (c.residual) tile.residual = c.residual + at;
      kernels[rows - 1][last < lanes](tile);
    };
    if (vectors == 1 && !a.packed_k) {
      // A narrow panel leaves registers to more rows, without which a tile waits for its own additions.
      const std::int64_t above = tiles.first(range.first);
      const RowTiles tall(tiles.first(range.end) - above, tile_shape.tall_rows);
      for (std::int64_t i = 0; i < tall.count; ++i) {
        const std::int64_t row = above + tall.first(i);
        multiply_tile(a.data + row * a.row, row, tall.rows(i));
      }
    } else {
      for (std::int64_t i = range.first; i < range.end; ++i) multiply_tile(a.tile(tiles, i), tiles.first(i), tiles.rows(i));
    }
  }
}

/// The same, with c at the first of the rows; so few of them at a time that their part of A stays in the second-level cache.
inline void multiply(const RowTiles& tiles, TileRange range, const Rows& a, const Panels& b, const Result& c, std::int64_t n,
                     std::int64_t k, Ahead ahead = {}) {
  constexpr std::int64_t at_once = 96 / tile_shape.rows;
  for (std::int64_t i = range.first; i < range.end; i += at_once)
    multiply_rows(tiles, {i, std::min(range.end, i + at_once)}, tiles.first(range.first), a, b, c, n, k, ahead);
}

}  // namespace
}  // namespace safer::kernels
