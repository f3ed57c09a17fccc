#pragma once

#include "engine/kernels/generic/epilogue.h"
#include "engine/kernels/generic/gemm_pack.h"
#include "engine/kernels/generic/gemm_tile.h"
#include "engine/kernels/generic/loop.h"
#include "engine/kernels/generic/scratch.h"

// C = A B. An element of C is a chain of mul_adds in the order of k, cut every k_block steps; the pieces are added to C one after
// the other. Neither tiles nor copies nor threads change that: packed or not, alone or in a batch, an element has the same bits.
namespace safer::kernels {
namespace {

constexpr std::int64_t k_block = 256;                      // a panel of B this deep stays in the first-level cache
constexpr std::int64_t row_block = 96;                     // rows of A that a task takes: a part of the second-level cache
constexpr std::int64_t column_block = 8 * panel_columns;   // columns that a task takes
constexpr std::int64_t columns_packed = 4 * column_block;  // columns of B that are packed before they are used
constexpr std::int64_t rows_packed = 24 * row_block;

/// Blocks of `row_block` rows of A: block q is `first` moved by q * step.
struct Rows {
  View first;
  std::int64_t step;
};

/// Panels of B: row p of panel q at data + q * panel + p * row.
struct Panels {
  const float* data;
  std::int64_t row, panel;
};

struct Result {
  float* c;
  std::int64_t row;
  const float* start;
  bool add;
};

/// c[m, n] (+)= start + a b over k steps.
inline void multiply(const View& a, const Panels& b, const Result& c, std::int64_t m, std::int64_t n, std::int64_t k) {
  for (std::int64_t j = 0; j < n; j += panel_columns) {
    const std::int64_t columns = std::min(panel_columns, n - j), vectors = pieces(columns, lanes);
    const std::int64_t last = columns - (vectors - 1) * lanes;
    Tile t{a.data, a.row, a.col, b.data + j / panel_columns * b.panel, b.row, c.c + j, c.row, nullptr, k, last, c.add};
    if (c.start) t.start = c.start + j;
    const auto& kernels = tile_kernels.by_size[vectors - 1];
    const std::int64_t tiles = pieces(m, most_rows(int(vectors)));
    for (std::int64_t i = 0; i < tiles; ++i) {  // as even as can be: a tile of few rows does not fill the pipeline
      const std::int64_t rows = m / tiles + (i < m % tiles);
      kernels[rows - 1][last < lanes](t);
      t.a += rows * a.row;
      t.c += rows * c.row;
    }
  }
}

inline void multiply_in_parallel(const Rows& a, const Panels& b, const Result& c, std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t down = pieces(m, row_block), across = pieces(n, column_block);
  parallel_for(down * across, m * n * k / 16, [&](std::int64_t task) {
    const std::int64_t q = task / across, i = q * row_block, j = task % across * column_block;
    const View rows{a.first.data + q * a.step, a.first.row, a.first.col};
    const Panels columns{b.data + j / panel_columns * b.panel, b.row, b.panel};
    const Result part{c.c + i * c.row + j, c.row, c.start ? c.start + j : nullptr, c.add};
    multiply(rows, columns, part, std::min(row_block, m - i), std::min(column_block, n - j), k);
  });
}

inline Panels packed_panels(Scratch& scratch, const View& b, std::int64_t k, std::int64_t n) {
  float* to = scratch.floats(pieces(n, panel_columns) * panel_columns * k);
  constexpr std::int64_t at_once = 4 * panel_columns;
  parallel_for(pieces(n, at_once), n * k / 4, [&](std::int64_t task) {
    const std::int64_t j = task * at_once;
    pack_panels(to + j * k, {b.at(0, j), b.row, b.col}, k, std::min(at_once, n - j));
  });
  return {to, panel_columns, panel_columns * k};
}

inline Rows packed_rows(Scratch& scratch, const View& a, std::int64_t m, std::int64_t k) {
  float* to = scratch.floats(pieces(m, row_block) * row_block * k);
  parallel_for(pieces(m, row_block), m * k / 4, [&](std::int64_t q) {
    const std::int64_t i = q * row_block;
    pack_rows(to + i * k, row_block, {a.at(i, 0), a.row, a.col}, std::min(row_block, m - i), k);
  });
  return {{to, 1, row_block}, row_block * k};
}

/// Copying pays where the original makes tiles miss the caches, and the copy is read often enough.
inline bool worth_packing_a(const Gemm<T>& g) { return g.a_col != 1 && g.m * g.k >= 1 << 16 && g.n > panel_columns; }
inline bool worth_packing_b(const Gemm<T>& g) { return g.n > 1 && (g.b_col != 1 || (g.m >= 64 && g.k * g.n >= 1 << 15)); }

inline void gemm(const Gemm<T>& g) {
  thread_local Scratch scratch_a, scratch_b;
  if (g.m == 0 || g.n == 0) return;
  const View a = g.k > 0 ? View{g.a, g.a_row, g.a_col} : View{}, b = g.k > 0 ? View{g.b, g.b_row, g.b_col} : View{};
  const bool pack_a = worth_packing_a(g), pack_b = !g.packed_b && worth_packing_b(g);
  const std::int64_t rows_at_once = pack_a ? rows_packed : g.m, columns_at_once = pack_b ? columns_packed : g.n;
  for (std::int64_t jc = 0; jc < g.n; jc += columns_at_once) {
    const std::int64_t n = std::min(columns_at_once, g.n - jc);
    std::int64_t pc = 0;
    do {
      const std::int64_t k = std::min(k_block, g.k - pc);
      const Panels panels = pack_b       ? packed_panels(scratch_b, {b.at(pc, jc), b.row, b.col}, k, n)
                            : g.packed_b ? Panels{g.packed_b + pc * panel_columns, panel_columns, panel_columns * g.k}
                                         : Panels{b.at(pc, 0), b.row, panel_columns};
      for (std::int64_t ic = 0; ic < g.m; ic += rows_at_once) {
        const std::int64_t m = std::min(rows_at_once, g.m - ic);
        const View part{a.at(ic, pc), a.row, a.col};
        const Rows rows = pack_a ? packed_rows(scratch_a, part, m, k) : Rows{part, row_block * a.row};
        multiply_in_parallel(
            rows, panels,
            {g.c + ic * g.c_row + jc, g.c_row, g.epilogue.bias && pc == 0 ? g.epilogue.bias + jc : nullptr, g.accumulate || pc > 0},
            m, n, k);
      }
      pc += k_block;
    } while (pc < g.k);
  }
  for (std::int64_t i = 0; i < g.m; ++i)
    finish(g.c + i * g.c_row, g.epilogue.residual ? g.epilogue.residual + i * g.c_row : nullptr, g.n, g.epilogue);
}

inline std::int64_t packed_b_size(std::int64_t k, std::int64_t n) { return pieces(n, panel_columns) * panel_columns * k; }

inline void pack_b(T* packed, const Gemm<T>& g) {
  const std::int64_t full = g.n / panel_columns * panel_columns;
  std::fill_n(packed + full * g.k, packed_b_size(g.k, g.n - full), 0.f);
  pack_panels(packed, {g.b, g.b_row, g.b_col}, g.k, g.n);
}

}  // namespace
}  // namespace safer::kernels
