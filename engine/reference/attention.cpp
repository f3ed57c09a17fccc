#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

/// Where the rows of one query of one head lie, and those of the first key of its sequence; from key to key in q_row and v_row.
struct Query {
  std::int64_t q, y, k, v, q_row, v_row;
  std::int64_t keys;  // that it sees
};

template <class F>
void each_query(const Attention& a, const F& f) {
  const std::int64_t q_row = a.heads * a.d, v_row = a.heads * a.e;
  for (std::int64_t n = 0; n < a.sequences; ++n)
    for (std::int64_t h = 0; h < a.heads; ++h)
      for (std::int64_t i = 0; i < a.queries; ++i)
        f(Query{(n * a.queries + i) * q_row + h * a.d, (n * a.queries + i) * v_row + h * a.e, n * a.keys * q_row + h * a.d,
                n * a.keys * v_row + h * a.e, q_row, v_row, a.causal ? std::min(i + 1, a.keys) : a.keys});
}

T inner(const T* a, const T* b, std::int64_t n) {
  T sum = 0;
  for (std::int64_t c = 0; c < n; ++c) sum += a[c] * b[c];
  return sum;
}

std::vector<T> probabilities(const Attention& a, const Query& at, const T* q, const T* k) {
  std::vector<T> p(static_cast<std::size_t>(at.keys));
  T most = -std::numeric_limits<T>::infinity(), total = 0;
  for (std::int64_t j = 0; T & score : p) most = std::max(most, score = a.scale * inner(q + at.q, k + at.k + j++ * at.q_row, a.d));
  for (T& score : p) total += score = std::exp(score - most);
  for (T& score : p) score /= total;
  return p;
}

void clear(T* to, std::int64_t size, bool accumulate) {
  if (to && !accumulate) std::fill_n(to, size, 0.0);
}

void add(T* to, T factor, const T* x, std::int64_t n) {
  for (std::int64_t c = 0; c < n; ++c) to[c] += factor * x[c];
}

}  // namespace

void attention(const Attention& a, T* y, const T* q, const T* k, const T* v) {
  each_query(a, [&](const Query& at) {
    std::fill_n(y + at.y, a.e, 0.0);
    for (std::int64_t j = 0; const T p : probabilities(a, at, q, k)) add(y + at.y, p, v + at.v + j++ * at.v_row, a.e);
  });
}

void attention_gradient(const Attention& a, const AttentionGradient<T>& g) {
  clear(g.dq, a.sequences * a.queries * a.heads * a.d, g.accumulate_q);
  clear(g.dk, a.sequences * a.keys * a.heads * a.d, g.accumulate_k);
  clear(g.dv, a.sequences * a.keys * a.heads * a.e, g.accumulate_v);
  each_query(a, [&](const Query& at) {
    const std::vector<T> p = probabilities(a, at, g.q, g.k);
    const T* dy = g.dy + at.y;
    const bool of_scores = g.dq || g.dk;
    T mean = 0;
    for (std::int64_t j = 0; j < at.keys && of_scores; ++j) mean += p[std::size_t(j)] * inner(dy, g.v + at.v + j * at.v_row, a.e);
    for (std::int64_t j = 0; j < at.keys; ++j) {
      const T pj = p[std::size_t(j)];
      if (g.dv) add(g.dv + at.v + j * at.v_row, pj, dy, a.e);
      if (!of_scores) continue;
      const T dscore = a.scale * pj * (inner(dy, g.v + at.v + j * at.v_row, a.e) - mean);
      if (g.dq) add(g.dq + at.q, dscore, g.k + at.k + j * at.q_row, a.d);
      if (g.dk) add(g.dk + at.k + j * at.q_row, dscore, g.q + at.q, a.d);
    }
  });
}

}  // namespace safer::kernels::reference
