#pragma once

#include "engine/kernels/generic/attention.h"

// The gradient of attention, by the same tiles (Dao et al. 2022, algorithm 4). With P the probabilities and dP = dy v^T:
//   dv = P^T dy,   dS = scale P (dP - rowsum(P dP)),   dq = dS k,   dk = dS^T q
// rowsum(P dP) is dy y. The scores are computed again, twice where a row has several tiles: first for its maximum and its sum.
namespace safer::kernels {
namespace {

/// One head in the arrays of a call.
struct HeadGradient {
  HeadGradient(const Attention& sizes, const AttentionGradient<T>& gradient, std::int64_t item)
      : a(sizes), h(head_of(sizes, item)), g(gradient) {
    g.dy += h.y, g.q += h.q, g.k += h.k;
    if (of_scores()) g.y += h.y, g.v += h.v;
    if (g.dq) g.dq += h.q;
    if (g.dk) g.dk += h.k;
    if (g.dv) g.dv += h.v;
  }
  bool of_scores() const { return g.dq || g.dk; }

  const Attention& a;
  AttentionHead h;
  AttentionGradient<T> g;
};

inline void clear_rows(T* to, std::int64_t rows, std::int64_t row, std::int64_t n) {
  for (std::int64_t r = 0; r < rows; ++r) std::fill_n(to + r * row, n, 0.f);
}

/// Gradients are added to zeros or to what is there, tile by tile. In this order, as several of them may be one array.
inline void clear(const HeadGradient& x) {
  if (x.g.dq && !x.g.accumulate_q) clear_rows(x.g.dq, x.a.queries, x.h.q_row, x.a.d);
  if (x.g.dk && !x.g.accumulate_k) clear_rows(x.g.dk, x.a.keys, x.h.q_row, x.a.d);
  if (x.g.dv && !x.g.accumulate_v) clear_rows(x.g.dv, x.a.keys, x.h.v_row, x.a.e);
}

/// s: exp(score - most) -> P;   ds: dP -> dS, where it is wanted.
inline void finish_tile(const HeadGradient& x, const ScoreTile& t, const AttentionScratch& work, const RunningSoftmax& rows) {
  for (std::int64_t r = 0; r < t.m; ++r) {
    const std::int64_t n = seen(x.a, t, r), row = (t.i + r) * x.h.v_row;
    float *p = work.s + r * t.n, *ds = work.ds + r * t.n;
    const Batch total(rows.total[r]), scale(float(x.a.scale)), mean(x.of_scores() ? dot(x.g.dy + row, x.g.y + row, x.a.e) : 0.f);
    each(0, n, [&](std::int64_t c, auto at) {
      const Batch pc = quotient(at.load(p + c), total);
      at.store(p + c, pc);
      if (x.of_scores()) at.store(ds + c, scale * pc * (at.load(ds + c) - mean));
    });
    if (x.of_scores()) std::fill(ds + n, ds + t.n, 0.f);
  }
}

/// Adds what a tile contributes.
inline void add_tile(const HeadGradient& x, const ScoreTile& t, const AttentionScratch& work) {
  const AttentionGradient<T>& g = x.g;
  const std::int64_t d = x.a.d, e = x.a.e, q_row = x.h.q_row, v_row = x.h.v_row;
  if (g.dq)
    gemm({.m = t.m,
          .n = d,
          .k = t.n,
          .a = work.ds,
          .a_row = t.n,
          .b = g.k + t.j * q_row,
          .b_row = q_row,
          .c = g.dq + t.i * q_row,
          .c_row = q_row,
          .accumulate = true});
  const auto by_keys = [&](T* to, const T* tile, const T* b, std::int64_t row, std::int64_t n) {
    gemm({.m = t.n,
          .n = n,
          .k = t.m,
          .a = tile,
          .a_row = 1,
          .a_col = t.n,
          .b = b + t.i * row,
          .b_row = row,
          .c = to + t.j * row,
          .c_row = row,
          .accumulate = true});
  };
  if (g.dk) by_keys(g.dk, work.ds, g.q, q_row, d);
  if (g.dv) by_keys(g.dv, work.s, g.dy, v_row, e);
}

/// What the queries i .. i + m - 1 contribute.
inline void add_queries(const HeadGradient& x, std::int64_t i, std::int64_t m) {
  const AttentionScratch work(x.a, 2);
  RunningSoftmax rows(m);
  std::int64_t tiles = 0;
  scale_queries(x.a, work.q, x.g.q + i * x.h.q_row, x.h.q_row, m);
  each_tile(x.a, i, m, [&](const ScoreTile& t) {
    score(x.a, t, work.s, work.q, x.g.k, x.h.q_row);
    extend(rows, x.a, t, work.s);
    ++tiles;
  });
  each_tile(x.a, i, m, [&](const ScoreTile& t) {
    if (tiles > 1) {  // a single one is still there
      score(x.a, t, work.s, work.q, x.g.k, x.h.q_row);
      exponentials(rows, x.a, t, work.s);
    }
    if (x.of_scores())
      gemm({.m = m,
            .n = t.n,
            .k = x.a.e,
            .a = x.g.dy + i * x.h.v_row,
            .a_row = x.h.v_row,
            .b = x.g.v + t.j * x.h.v_row,
            .b_row = 1,
            .b_col = x.h.v_row,
            .c = work.ds,
            .c_row = t.n});
    finish_tile(x, t, work, rows);
    add_tile(x, t, work);
  });
}

inline void attention_gradient(const Attention& a, const AttentionGradient<T>& g) {
  const std::int64_t items = a.sequences * a.heads, products = g.dq || g.dk ? 5 : 2;
  parallel_for(items, items * a.queries * a.keys * products * (a.d + a.e) / 32, [&](std::int64_t item) {
    const HeadGradient x(a, g, item);
    clear(x);
    if (a.queries == 0) return;
    const QueryBlocks blocks(a);
    for (std::int64_t i = 0; i < a.queries; i += blocks.rows) add_queries(x, i, std::min(blocks.rows, a.queries - i));
  });
}

}  // namespace
}  // namespace safer::kernels
