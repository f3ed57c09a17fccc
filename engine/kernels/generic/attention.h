#pragma once

#include "engine/kernels/generic/gemm.h"
#include "engine/kernels/generic/softmax.h"

// Attention by tiles of the score matrix, which is never in memory as a whole: a block of queries meets the keys a block at a time,
// and the softmax of its rows is corrected whenever a larger score turns up (Milakov & Gimelshein 2018, algorithm 3; Dao et al.
// 2022).
namespace safer::kernels {
namespace {

/// At most so many queries and keys make a tile: it stays in the second-level cache.
constexpr std::int64_t query_block = 128, key_block = 256;

/// One head of one sequence: where its first rows start, and from row to row.
struct AttentionHead {
  std::int64_t q, k, v, y;    // offsets
  std::int64_t q_row, v_row;  // of q and k, of v and y
};

inline AttentionHead head_of(const Attention& a, std::int64_t item) {
  const std::int64_t n = item / a.heads, h = item % a.heads, q_row = a.heads * a.d, v_row = a.heads * a.e;
  return {n * a.queries * q_row + h * a.d,
          n * a.keys * q_row + h * a.d,
          n * a.keys * v_row + h * a.e,
          n * a.queries * v_row + h * a.e,
          q_row,
          v_row};
}

/// Queries i .. i + m - 1 and keys j .. j + n - 1.
struct ScoreTile {
  std::int64_t i, m, j, n;
};

/// How many of the tile's keys its query r sees.
inline std::int64_t seen(const Attention& a, const ScoreTile& t, std::int64_t r) {
  return a.causal ? std::clamp<std::int64_t>(t.i + r + 1 - t.j, 0, t.n) : t.n;
}

/// Blocks of queries, as even as can be.
struct QueryBlocks {
  explicit QueryBlocks(const Attention& a) : count(pieces(a.queries, query_block)), rows(pieces(a.queries, count)) {}
  std::int64_t count, rows;
};

/// f(tile) for the tiles of a block of queries, without keys that none of them sees.
template <class F>
inline void each_tile(const Attention& a, std::int64_t i, std::int64_t m, const F& f) {
  const std::int64_t keys = a.causal ? std::min(a.keys, i + m) : a.keys, blocks = pieces(keys, key_block);
  for (std::int64_t b = 0; b < blocks; ++b) {
    const std::int64_t j = keys * b / blocks;
    f(ScoreTile{i, m, j, keys * (b + 1) / blocks - j});
  }
}

/// The softmax of a block of rows so far: exp(score - most) / total. A row whose scores are all -infinity has a total of 0.
struct RunningSoftmax {
  explicit RunningSoftmax(std::int64_t rows) {
    std::fill_n(most, rows, -std::numeric_limits<float>::infinity());
    std::fill_n(total, rows, 0.f);
  }
  /// What exponents are relative to; subtracting an infinite maximum from itself would give NaN.
  float base(std::int64_t r) const { return most[r] == -std::numeric_limits<float>::infinity() ? 0 : most[r]; }

  float most[query_block], total[query_block];
  float factor[query_block];  // by which the last tile made everything before it smaller
};

/// Takes the scores s[m, n] of a tile in, and turns them into exp(score - most), 0 where a query does not see the key.
inline void extend(RunningSoftmax& rows, const Attention& a, const ScoreTile& t, float* s) {
  float added[query_block];
  for (std::int64_t r = 0; r < t.m; ++r) {
    float* x = s + r * t.n;
    const std::int64_t n = seen(a, t, r);
    std::fill(x + n, x + t.n, 0.f);
    const float before = rows.most[r], here = n > 0 ? largest(x, n) : before;
    if (!(here <= before)) rows.most[r] = here;
    const float base = rows.base(r);
    added[r] = total(sum_of(n, [=](std::int64_t k, auto at) {
      const Batch e = at.only(exp(at.load(x + k) - Batch(base)));
      at.store(x + k, e);
      return e;
    }));
    rows.factor[r] = before - base;
  }
  each(0, t.m, [&](std::int64_t r, auto at) {
    const Batch factor = exp(at.load(rows.factor + r));
    at.store(rows.factor + r, factor);
    at.store(rows.total + r, mul_add(at.load(rows.total + r), factor, at.load(added + r)));
  });
}

/// What extend() has left in the tile, from its scores once more.
inline void exponentials(const RunningSoftmax& rows, const Attention& a, const ScoreTile& t, float* s) {
  for (std::int64_t r = 0; r < t.m; ++r) {
    float* x = s + r * t.n;
    const std::int64_t n = seen(a, t, r);
    const Batch base(rows.base(r));
    each(0, n, [=](std::int64_t k, auto at) { at.store(x + k, exp(at.load(x + k) - base)); });
    std::fill(x + n, x + t.n, 0.f);
  }
}

/// What a thread works in: queries times `scale`, [m, d]; scores, then probabilities, [m, n]; the gradient of the scores, [m, n].
struct AttentionScratch {
  AttentionScratch(const Attention& a, int tiles) {
    thread_local Scratch scratch;
    const std::int64_t rows = QueryBlocks(a).rows, tile = rows * std::min(a.keys, key_block);
    q = scratch.floats(rows * a.d + tiles * tile);
    s = q + rows * a.d;
    ds = s + tile;
  }
  float *q, *s, *ds;
};

inline void scale_queries(const Attention& a, float* to, const float* q, std::int64_t row, std::int64_t m) {
  const Batch scale(float(a.scale));
  for (std::int64_t r = 0; r < m; ++r)
    each(0, a.d, [&](std::int64_t c, auto at) { at.store(to + r * a.d + c, scale * at.load(q + r * row + c)); });
}

/// s[m, n] = the scores of a tile; q: its scaled queries, k: the first key of the head.
inline void score(const Attention& a, const ScoreTile& t, float* s, const float* q, const float* k, std::int64_t k_row) {
  gemm(
      {.m = t.m, .n = t.n, .k = a.d, .a = q, .a_row = a.d, .b = k + t.j * k_row, .b_row = 1, .b_col = k_row, .c = s, .c_row = t.n});
}

/// The rows of y that belong to the queries i .. i + m - 1 of a head.
inline void attend(const Attention& a, const AttentionHead& h, T* y, const T* q, const T* k, const T* v, std::int64_t i,
                   std::int64_t m) {
  const AttentionScratch work(a, 1);
  RunningSoftmax rows(m);
  y += h.y + i * h.v_row;
  scale_queries(a, work.q, q + h.q + i * h.q_row, h.q_row, m);
  each_tile(a, i, m, [&](const ScoreTile& t) {
    score(a, t, work.s, work.q, k + h.k, h.q_row);
    extend(rows, a, t, work.s);
    for (std::int64_t r = 0; r < m && t.j > 0; ++r)
      if (rows.factor[r] != 1)
        each(0, a.e,
             [&](std::int64_t c, auto at) { at.store(y + r * h.v_row + c, at.load(y + r * h.v_row + c) * Batch(rows.factor[r])); });
    gemm({.m = m,
          .n = a.e,
          .k = t.n,
          .a = work.s,
          .a_row = t.n,
          .b = v + h.v + t.j * h.v_row,
          .b_row = h.v_row,
          .c = y,
          .c_row = h.v_row,
          .accumulate = t.j > 0});
  });
  for (std::int64_t r = 0; r < m; ++r)
    each(0, a.e, [&](std::int64_t c, auto at) {
      at.store(y + r * h.v_row + c, a.keys > 0 ? quotient(at.load(y + r * h.v_row + c), Batch(rows.total[r])) : Batch(0.f));
    });
}

inline void attention(const Attention& a, T* y, const T* q, const T* k, const T* v) {
  const std::int64_t items = a.sequences * a.heads;
  if (items == 0 || a.queries == 0) return;
  const QueryBlocks blocks(a);
  parallel_for(items * blocks.count, items * a.queries * a.keys * (a.d + a.e) / 16, [&](std::int64_t task) {
    const std::int64_t i = task % blocks.count * blocks.rows;
    if (i < a.queries) attend(a, head_of(a, task / blocks.count), y, q, k, v, i, std::min(blocks.rows, a.queries - i));
  });
}

}  // namespace
}  // namespace safer::kernels
