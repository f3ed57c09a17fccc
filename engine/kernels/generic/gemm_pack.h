#pragma once

#include <algorithm>

#include "engine/kernels/generic/loop.h"
#include "engine/kernels/generic/simd.h"

// Copies of parts of A and B in the order in which tiles read them.
namespace safer::kernels {
namespace {

/// A matrix in memory: (i, j) at data[i * row + j * col].
struct View {
  const float* data;
  std::int64_t row, col;
  const float* at(std::int64_t i, std::int64_t j) const { return data + i * row + j * col; }
};

/// Steps of k between two additions to the result.
constexpr std::int64_t k_block = tile_shape.steps;

/// Columns of B that lie side by side in a packed panel [k][panel_columns]. What the last panel has too many is never read.
constexpr std::int64_t panel_columns = tile_shape.vectors * lanes;

/// m rows cut into tiles of at most `most`, as even as can be: a tile of few rows does not fill the pipeline.
struct RowTiles {
  RowTiles(std::int64_t m, std::int64_t most) : count(pieces(m, most)), small(m / count), larger(m % count) {}
  std::int64_t count;
  std::int64_t small, larger;  // rows of a tile; so many have one more
  std::int64_t rows(std::int64_t tile) const { return small + (tile < larger); }
  std::int64_t first(std::int64_t tile) const { return tile * small + std::min(tile, larger); }
};

/// The rows of A, as they lie or as pack_rows laid them out.
struct Rows {
  const float* data;
  std::int64_t row, dense_col;
  std::int64_t packed_k = 0;  // steps in a packed tile; 0: not packed
  std::int64_t begin = 0;     // of them, those before are not used
  const float* tile(const RowTiles& tiles, std::int64_t t) const {
    return packed_k ? data + tiles.first(t) * packed_k + begin * tiles.rows(t) : data + tiles.first(t) * row;
  }
  std::int64_t col(std::int64_t rows) const { return packed_k ? rows : dense_col; }
};

/// Columns of B whose rows are dense: several panels side by side, so that whole rows are read.
inline void pack_dense_rows(float* to, const View& b, std::int64_t k, std::int64_t panels) {
  for (std::int64_t p = 0; p < k; ++p)
    for (std::int64_t q = 0; q < panels; ++q) {
      float* row = to + (q * k + p) * panel_columns;
      unroll<tile_shape.vectors>([&](auto v) { store(row + v * lanes, load(b.at(p, q * panel_columns + v * lanes))); });
    }
}

/// A vector's worth of columns of B whose columns are dense: four rows at a time, transposed in registers.
inline void pack_dense_columns(float* to, const View& b, std::int64_t k) {
  std::int64_t p = 0;
  for (; p + 4 <= k; p += 4) {
    Batch quads[4];
    unroll<4>([&](auto j) { quads[j] = load_quads(b.at(p, j), 4 * b.col); });
    transpose_quads(quads);
    unroll<4>([&](auto i) { store(to + (p + i) * panel_columns, quads[i]); });
  }
  for (; p < k; ++p)
    for (std::int64_t j = 0; j < lanes; ++j) to[p * panel_columns + j] = *b.at(p, j);
}

/// `columns` columns of B as panels.
inline void pack_panels(float* to, const View& b, std::int64_t k, std::int64_t columns) {
  std::int64_t j = b.col == 1 ? columns / panel_columns * panel_columns : 0;
  pack_dense_rows(to, b, k, j / panel_columns);
  while (j < columns) {
    float* row = to + j / panel_columns * panel_columns * k + j % panel_columns;
    if (b.row == 1 && j + lanes <= columns) {
      pack_dense_columns(row, {b.at(0, j), b.row, b.col}, k);
    } else {
      const std::int64_t rest = std::min(lanes, columns - j);
      for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t i = 0; i < rest; ++i) row[p * panel_columns + i] = *b.at(p, j + i);
    }
    j += lanes;
  }
}

inline void copy(float* to, const float* from, std::int64_t n) {
  each(0, n, [=](std::int64_t i, auto at) { at.store(to + i, at.load(from + i)); });
}

/// to[p * row + i] = from[i * step + p] for a vector of p's, four i at a time.
template <class Access>
[[gnu::always_inline]] inline void transpose_vector(float* to, std::int64_t row, const float* from, std::int64_t step,
                                                    std::int64_t rows, const Access& at) {
  for (std::int64_t left = rows; left > 0; left -= 4) {
    const std::int64_t i = std::max<std::int64_t>(0, left - 4);  // the first four may be written twice
    Batch quads[4];
    unroll<4>([&](auto j) { quads[j] = at.load(from + (i + j) * step); });
    transpose_quads(quads);
    unroll<4>([&](auto j) { store_quads(to + j * row + i, 4 * row, quads[j]); });
  }
}

/// to[p * row + i] = from[i * step + p] for i < rows, p < k. With `over`, places up to the next whole vector of p's may be set to
/// 0.
inline void transpose(float* to, std::int64_t row, const float* from, std::int64_t step, std::int64_t rows, std::int64_t k,
                      bool over = false) {
  std::int64_t p = 0;
  if (rows >= 4) {
    for (; p + lanes <= k; p += lanes) transpose_vector(to + p * row, row, from + p, step, rows, Whole{});
    if (over && p < k) return transpose_vector(to + p * row, row, from + p, step, rows, Part{first(k - p)});
  }
  for (; p < k; ++p)
    for (std::int64_t i = 0; i < rows; ++i) to[p * row + i] = from[i * step + p];
}

/// k steps of `rows` rows of A as [k][rows].
inline void pack_rows(float* to, const View& a, std::int64_t rows, std::int64_t k) {
  if (a.col == 1) return transpose(to, rows, a.data, a.row, rows, k);
  for (std::int64_t p = 0; p < k; ++p)
    if (a.row == 1)
      copy(to + p * rows, a.at(0, p), rows);
    else
      for (std::int64_t i = 0; i < rows; ++i) to[p * rows + i] = *a.at(i, p);
}

}  // namespace
}  // namespace safer::kernels
