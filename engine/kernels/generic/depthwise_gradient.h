#pragma once

#include "engine/kernels/generic/depthwise.h"

// Gradients of convolutions in which every channel sees itself alone.
namespace safer::kernels {
namespace {

/// The axis along which dy is convolved with the flipped kernel where the stride is 1; a negative `before` leaves out inputs.
inline WindowAxis flipped(const WindowAxis& axis) {
  return {axis.out, axis.in, axis.taps, 1, axis.dilation, window_reach(axis) - 1 - axis.before};
}

/// Where the stride is not 1: an input row's places p % stride are runs of their own, to each of which some taps belong.
struct SpreadRows {
  explicit SpreadRows(const Conv& of)
      : conv(of),
        ahead((window_reach(of.columns) - 1) / of.columns.stride),
        length(pieces(of.columns.before + of.columns.in, of.columns.stride)),
        row(ahead + std::max(length, of.columns.out) + 2 * lanes) {}

  /// Floats for a plane of dy with zeros on both sides, for the runs of one row, and for the row that they make.
  std::int64_t size() const { return conv.rows.out * row + 2 * conv.columns.stride * row; }

  void copy(T* to, const T* dy) const {
    for (std::int64_t i = 0; i < conv.rows.out; ++i, to += row, dy += conv.columns.out) {
      std::fill_n(to, ahead, 0.f);
      each(0, conv.columns.out, [=, this](std::int64_t j, auto at) { at.store(to + ahead + j, at.load(dy + j)); });
      std::fill(to + ahead + conv.columns.out, to + row, 0.f);
    }
  }

  /// One run of row r of dx, of columns q with (q + before) % stride == p: to[k] is that of q + before = k stride + p.
  void run(T* to, const T* dy, const T* w, std::int64_t r, std::int64_t p) const {
    const WindowAxis &rows = conv.rows, &columns = conv.columns;
    struct {
      T weight;
      const T* dy;
    } terms[most_taps * most_taps];
    int count = 0;
    for (std::int64_t s = 0; s < rows.taps; ++s) {
      const std::int64_t above = r + rows.before - s * rows.dilation, i = above / rows.stride;
      if (above < 0 || above % rows.stride != 0 || i >= rows.out) continue;
      for (std::int64_t t = 0; t < columns.taps; ++t)
        if (t * columns.dilation % columns.stride == p)
          terms[count++] = {w[s * columns.taps + t], dy + i * row + ahead - t * columns.dilation / columns.stride};
    }
    each(0, length, [&](std::int64_t k, auto) {
      Batch sum(0.f);
      for (int term = 0; term < count; ++term) sum = mul_add(Batch(terms[term].weight), load(terms[term].dy + k), sum);
      store(to + k, sum);
    });
  }

  /// Row r of dx from its runs.
  void weave(T* to, T* woven, const T* runs, bool accumulate) const {
    const std::int64_t stride = conv.columns.stride;
    if (stride == 2) {
      each(0, length, [=, this](std::int64_t k, auto) {
        Batch low, high;
        zip(load(runs + k), load(runs + row + k), low, high);
        store(woven + 2 * k, low);
        store(woven + 2 * k + lanes, high);
      });
    } else {
      for (std::int64_t k = 0; k < length; ++k)
        for (std::int64_t p = 0; p < stride; ++p) woven[k * stride + p] = runs[p * row + k];
    }
    const T* const from = woven + conv.columns.before;
    each(0, conv.columns.in, [=](std::int64_t q, auto at) { put(at, to + q, at.load(from + q), accumulate); });
  }

  const Conv& conv;
  std::int64_t ahead;   // zeros before a row of dy
  std::int64_t length;  // floats of a run
  std::int64_t row;     // floats of a copied row of dy, and of a run with what vectors may write behind it
};

/// dx (+)= dy * the flipped kernel.
inline void depthwise_dense_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const Conv turned{conv.samples, conv.groups, conv.in_channels, conv.out_channels, flipped(conv.rows), flipped(conv.columns)};
  const CopiedRows copied(turned);
  const std::int64_t taps = taps_of(conv);
  parallel_blocks(conv.samples * conv.in_channels, depthwise_cost(conv), [&](std::int64_t first, std::int64_t count) {
    T turned_weight[most_taps * most_taps];
    const auto weight = [&](std::int64_t plane) {
      const T* const own = w + plane % conv.in_channels * taps;
      std::reverse_copy(own, own + taps, turned_weight);
      return turned_weight;
    };
    const auto zero = [](std::int64_t) { return 0.f; };
    depthwise_planes(copied, first, count, dx, dy, accumulate, zero, weight, [](std::int64_t, std::int64_t, std::int64_t) {});
  });
}

inline void depthwise_conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  if (conv.rows.stride == 1 && conv.columns.stride == 1) return depthwise_dense_input_gradient(conv, dx, dy, w, accumulate);
  const std::int64_t in = conv.rows.in * conv.columns.in, out = conv.rows.out * conv.columns.out;
  const SpreadRows spread(conv);
  const std::int64_t planes = conv.samples * conv.in_channels;
  parallel_for(planes, planes * depthwise_cost(conv), [&](std::int64_t plane) {
    thread_local Scratch scratch;
    T* const rows = scratch.floats(spread.size());
    T* const runs = rows + conv.rows.out * spread.row;
    T* const woven = runs + conv.columns.stride * spread.row;
    const T* const weight = w + plane % conv.in_channels * taps_of(conv);
    spread.copy(rows, dy + plane * out);
    for (std::int64_t r = 0; r < conv.rows.in; ++r) {
      for (std::int64_t p = 0; p < conv.columns.stride; ++p) spread.run(runs + p * spread.row, rows, weight, r, p);
      spread.weave(dx + plane * in + r * conv.columns.in, woven, runs, accumulate);
    }
  });
}

/// sums[tap] += the products of some rows of dy with the copied rows that a 3 x 3 window saw.
template <int stride, std::size_t count>
inline void depthwise_products_3x3(const CopiedRows& copied, double* sums, const T* dy, const T* from) {
  const std::int64_t out = copied.columns.out, row = copied.row;
  const T* const tap[3] = {from + copied.place(0), from + copied.place(1), from + copied.place(2)};
  Batch sum[9];
  unroll<9>([&](auto k) { sum[k] = Batch(0.f); });
  each(0, out, [&](std::int64_t j, auto at) {
    Batch by[count];
    unroll<count>([&](auto i) { by[i] = at.load(dy + i * out + j); });
    unroll<(count - 1) * stride + 3>([&](auto r) {
      unroll<3>([&](auto t) {
        const Batch x = at.load(tap[t] + r * row + j);
        unroll<count>([&](auto i) {
          constexpr int s = r - i * stride;
          if constexpr (s >= 0 && s < 3) sum[s * 3 + t] = mul_add(by[i], x, sum[s * 3 + t]);
        });
      });
    });
  });
  unroll<9>([&](auto k) { sums[k] += double(total(sum[k])); });
}

/// The same for any window and one row.
inline void depthwise_products(const CopiedRows& copied, double* sums, const T* dy, const T* from) {
  for (std::int64_t s = 0; s < copied.rows.taps; ++s)
    for (std::int64_t t = 0; t < copied.columns.taps; ++t) {
      const T* const x = from + s * copied.rows.dilation * copied.row + copied.place(t);
      *sums++ +=
          double(total(sum_of(copied.columns.out, [=](std::int64_t j, auto at) { return at.load(dy + j) * at.load(x + j); })));
    }
}

/// sums[tap] += those of `count` output rows of a strip.
inline void depthwise_strip_products(const CopiedRows& copied, std::int64_t count, double* sums, const T* dy, const T* from) {
  const std::int64_t out = copied.columns.out, step = copied.rows.stride * copied.row;
  std::int64_t i = 0;
  const auto rows = [&](auto stride, auto together) {
    for (; i + together <= count; i += together)
      depthwise_products_3x3<stride, together>(copied, sums, dy + i * out, from + i * step);
  };
  constexpr std::integral_constant<int, 1> one{};
  constexpr std::integral_constant<int, 2> two{};
  if (is_3x3(copied) && copied.rows.stride == 1) rows(one, std::integral_constant<int, 4>{}), rows(one, one);
  if (is_3x3(copied) && copied.rows.stride == 2) rows(two, two), rows(two, one);
  for (; i < count; ++i) depthwise_products(copied, sums, dy + i * out, from + i * step);
}

inline void depthwise_conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  const CopiedRows copied(conv);
  const std::int64_t in = conv.rows.in * conv.columns.in, out = conv.rows.out * conv.columns.out, taps = taps_of(conv);
  const std::int64_t count = channels.end - channels.begin;
  parallel_for(count, conv.samples * count * depthwise_cost(conv), [&](std::int64_t c) {
    thread_local Scratch scratch;
    T* const rows = scratch.floats(copied.size());
    std::fill_n(rows, copied.size(), 0.f);
    double sums[most_taps * most_taps] = {};
    for (std::int64_t sample = 0; sample < conv.samples; ++sample) {
      const std::int64_t plane = sample * conv.in_channels + channels.begin + c;
      for (std::int64_t first = 0; first < conv.rows.out; first += copied.strip) {
        const std::int64_t height = std::min(copied.strip, conv.rows.out - first);
        copied.copy(rows, x + plane * in, first, height);
        depthwise_strip_products(copied, height, sums, dy + plane * out + first * conv.columns.out, rows);
      }
    }
    for (std::int64_t k = 0; k < taps; ++k) {
      T& to = dw[c * taps + k];
      to = accumulate ? to + T(sums[k]) : T(sums[k]);
    }
  });
}

}  // namespace
}  // namespace safer::kernels
