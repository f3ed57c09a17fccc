#pragma once

#include "engine/kernels/generic/gemm_block.h"
#include "engine/kernels/generic/scratch.h"

// C = A B. An element of C is a chain of mul_adds in the order of k, cut every k_block steps; the pieces are added to C one after
// the other. Neither tiles nor copies nor threads change that: packed or not, alone or in a batch, an element has the same bits.
//
// A step of k_block: A's rows are copied once in the order of the tiles, then tasks take blocks of C, each with its own copy of the
// columns of B that it reads. The copies are left out where the originals serve as well.
namespace safer::kernels {
namespace {

constexpr std::int64_t rows_at_once = 2304;  // of A that are copied before they are used
constexpr std::int64_t panels_in_block =
    (1 << 14) / (k_block * panel_columns);  // of B that a task copies: a part of the second-level cache

/// Whether the rows that a tile reads at once may fall on the same few lines of the first-level cache, or each step on another
/// page.
inline bool aliases(const Gemm<T>& g) { return g.a_col != 1 || g.a_row % 1024 == 0; }

/// What is copied. It pays where the original makes tiles miss the caches, and the copy is read often enough.
struct Copies {
  bool a, b;
  explicit Copies(const Gemm<T>& g)
      : a(g.m * g.k >= 1 << 16 && g.n >= 4 * lanes && aliases(g)),
        b(!g.packed_b && g.n > 1 && (g.b_col != 1 || (g.m >= 64 && g.k * g.n >= 1 << 15))) {}
};

/// Blocks of C for the tasks: `down` times `across`. Each copies the columns of B that it reads, so that there are no more of them
/// than keep all threads busy; an element is computed alike in any. An even number of equal ones across where there are many.
struct Blocks {
  std::int64_t down, across;
  Blocks(const RowTiles& tiles, std::int64_t panels, bool copies) : across(pieces(panels, panels_in_block)) {
    if (across > 4) across = std::min(panels, pieces(across, 4) * 4);
    const std::int64_t threads = available_threads(), wanted = threads > 1 ? (copies ? 2 : 8) * threads : 1;
    const std::int64_t tiles_at_least = copies ? 8 : 2;
    down = std::clamp(tiles.count / tiles_at_least, std::int64_t{1}, pieces(wanted, across));
  }
};

/// One k_block of the product.
struct Step {
  const Gemm<T>& g;
  const RowTiles& tiles;
  Rows rows;
  std::int64_t pc, k;
  bool copies_b;
  const float* row_start;  // one value a row in place of the epilogue's bias, or nullptr
};

inline Result result_of(const Step& s, std::int64_t i, std::int64_t j) {
  const Gemm<T>& g = s.g;
  const std::int64_t pc = s.pc;
  const bool last = pc + k_block >= g.k;
  const std::int64_t at = i * g.c_row + j;
  Result c{.c = g.c + at,
           .row = g.c_row,
           .panel = panel_columns,
           .start = nullptr,
           .row_start = nullptr,
           .add = g.accumulate || pc > 0,
           .last_step = false,
           .residual = nullptr,
           .clamp = clamp_of(g.epilogue)};
  if (g.epilogue.bias && pc == 0) c.start = g.epilogue.bias + j;
  if (s.row_start && pc == 0) c.row_start = s.row_start + i;
  if (g.epilogue.residual) c.residual = g.epilogue.residual + at;
  c.last_step = last && (c.residual || g.epilogue.activates);
  return c;
}

/// Rows of the tiles first .. end - 1, columns j .. j + n - 1. The task after this one most often takes the columns that follow.
inline void multiply_block(const Step& s, TileRange range, std::int64_t j, std::int64_t n) {
  thread_local Scratch scratch;
  const Gemm<T>& g = s.g;
  const std::int64_t i = s.tiles.first(range.first);
  const Result c = result_of(s, i, j);
  if (s.copies_b) {
    float* to = scratch.floats(panels_in_block * panel_columns * k_block);
    pack_panels(to, {g.b + s.pc * g.b_row + j * g.b_col, g.b_row, g.b_col}, s.k, n);
    // Rows a power of two apart would drive one another out of the caches again.
    const bool fetches = g.b_col == 1 && g.b_row % 1024 != 0;
    multiply(s.tiles, range, s.rows, {to, packed_rows.at, panel_columns * s.k}, c, n, s.k,
             {g.b + s.pc * g.b_row + j + n, g.b_row, fetches ? std::min(n, g.n - j - n) / 16 : 0});
  } else if (g.packed_b) {
    multiply(s.tiles, range, s.rows, {g.packed_b + s.pc * panel_columns + j * g.k, packed_rows.at, panel_columns * g.k}, c, n, s.k);
  } else {
    std::int64_t dense[k_block];
    fill_offsets(dense, g.b_row, s.k);
    multiply(s.tiles, range, s.rows, {s.k > 0 ? g.b + s.pc * g.b_row + j : nullptr, dense, panel_columns}, c, n, s.k);
  }
  if (c.last_step && !c.clamp.exact)
    for (std::int64_t r = 0; r < s.tiles.first(range.end) - i; ++r) activate(c.c + r * c.row, n, g.epilogue);
}

inline void multiply_in_parallel(const Step& s, const Blocks& blocks) {
  if (blocks.down * blocks.across == 1) return multiply_block(s, {0, s.tiles.count}, 0, s.g.n);
  const std::int64_t panels = pieces(s.g.n, panel_columns);
  parallel_for(blocks.down * blocks.across, s.g.m * s.g.n * s.k / 16, [&](std::int64_t task) {
    const std::int64_t down = task % blocks.down, across = task / blocks.down;
    const std::int64_t j = panels * across / blocks.across * panel_columns;
    const std::int64_t end = std::min(s.g.n, panels * (across + 1) / blocks.across * panel_columns);
    multiply_block(s, {s.tiles.count * down / blocks.down, s.tiles.count * (down + 1) / blocks.down}, j, end - j);
  });
}

inline Rows copied_rows(Scratch& scratch, const View& a, const RowTiles& tiles, std::int64_t k) {
  float* to = scratch.floats(tiles.first(tiles.count) * k);
  parallel_for(tiles.count, tiles.first(tiles.count) * k / 4, [&](std::int64_t t) {
    const std::int64_t i = tiles.first(t);
    pack_rows(to + i * k, {a.at(i, 0), a.row, a.col}, tiles.rows(t), k);
  });
  return {.data = to, .row = 1, .dense_col = 0, .packed_k = k};
}

/// row_bias: one value a row, in place of the epilogue's bias; or nullptr.
inline void product(const Gemm<T>& g, const T* row_bias) {
  thread_local Scratch scratch;
  if (g.m == 0 || g.n == 0) return;
  const Copies copies(g);
  const std::int64_t most = g.n <= lanes ? tile_shape.tall_rows : tile_shape.rows, at_once = copies.a ? rows_at_once : g.m;
  for (std::int64_t ic = 0; ic < g.m; ic += at_once) {
    Gemm<T> part = g;
    part.m = std::min(at_once, g.m - ic);
    part.c += ic * g.c_row;
    if (g.epilogue.residual) part.epilogue.residual += ic * g.c_row;
    const RowTiles tiles(part.m, most);
    const Blocks blocks(tiles, pieces(g.n, panel_columns), copies.b);
    std::int64_t pc = 0;
    do {
      const std::int64_t k = std::min(k_block, g.k - pc);
      const View a = k > 0 ? View{g.a + ic * g.a_row + pc * g.a_col, g.a_row, g.a_col} : View{};
      const Rows rows = copies.a ? copied_rows(scratch, a, tiles, k) : Rows{a.data, a.row, a.col};
      multiply_in_parallel({part, tiles, rows, pc, k, copies.b, row_bias ? row_bias + ic : nullptr}, blocks);
      pc += k_block;
    } while (pc < g.k);
  }
}

inline void gemm(const Gemm<T>& g) { product(g, nullptr); }

inline std::int64_t packed_b_size(std::int64_t k, std::int64_t n) { return pieces(n, panel_columns) * panel_columns * k; }

inline void pack_b(T* packed, const Gemm<T>& g) {
  const std::int64_t full = g.n / panel_columns * panel_columns;
  std::fill_n(packed + full * g.k, packed_b_size(g.k, g.n - full), 0.f);
  pack_panels(packed, {g.b, g.b_row, g.b_col}, g.k, g.n);
}

}  // namespace
}  // namespace safer::kernels
