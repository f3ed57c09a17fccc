#pragma once

#include <algorithm>

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

/// Columns of B that lie side by side in a packed panel [k][panel_columns]. What the last panel has too many is never read.
constexpr std::int64_t panel_columns = tile_shape.vectors * lanes;

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
      j += lanes;
    } else {
      for (std::int64_t p = 0; p < k; ++p) row[p * panel_columns] = *b.at(p, j);
      ++j;
    }
  }
}

inline void copy(float* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, load(from + i));
  if (i < n) store(to + i, load(from + i, first(n - i)), first(n - i));
}

/// `rows` rows of A as [k][col].
inline void pack_rows(float* to, std::int64_t col, const View& a, std::int64_t rows, std::int64_t k) {
  for (std::int64_t p = 0; p < k; ++p)
    if (a.row == 1)
      copy(to + p * col, a.at(0, p), rows);
    else
      for (std::int64_t i = 0; i < rows; ++i) to[p * col + i] = *a.at(i, p);
}

}  // namespace
}  // namespace safer::kernels
