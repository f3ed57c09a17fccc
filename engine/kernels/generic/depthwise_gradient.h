#pragma once

#include "engine/kernels/generic/depthwise.h"

// Gradients of convolutions in which every channel sees itself alone.
namespace safer::kernels {
namespace {

/// The axis along which dy is convolved with the flipped kernel where the stride is 1; a negative `before` leaves out inputs.
inline WindowAxis flipped(const WindowAxis& axis) {
  return {axis.out, axis.in, axis.taps, 1, axis.dilation, taps_reach(axis) - axis.before};
}

/// Where the stride is not 1: a padded row of dx is made as runs, to each of which some taps belong, and then woven.
struct SpreadRows {
  explicit SpreadRows(const Conv& of)
      : conv(of),
        padded(of.columns.before + of.columns.in),
        runs(padded, of.columns.stride),
        ahead(taps_reach(of.columns) / of.columns.stride),
        row(ahead + std::max(runs.length, of.columns.out) + lanes) {
    for (std::int64_t t = 0; t < of.columns.taps; ++t) {
      run_of[t] = t * of.columns.dilation % of.columns.stride;
      shift[t] = ahead - t * of.columns.dilation / of.columns.stride;
    }
  }

  /// Floats for a plane of dy with zeros on both sides, for the runs of a row, and for the row that they make.
  std::int64_t size() const { return conv.rows.out * row + runs.size() + padded + 2 * lanes; }

  /// To where all but dy is 0 already.
  void copy(T* to, const T* dy) const {
    for (std::int64_t i = 0; i < conv.rows.out; ++i, to += row, dy += conv.columns.out)
      each_overlapping(conv.columns.out, true, [=, this](std::int64_t j, auto at) { store(to + ahead + j, at.load(dy + j)); });
  }

  /// Run p of row r: element k is the gradient of the column q with q + before = k stride + p.
  void run(T* to, const T* dy, const T* w, std::int64_t r, std::int64_t p) const {
    const WindowAxis& rows = conv.rows;
    struct {
      T weight;
      const T* dy;
    } terms[most_taps * most_taps];
    int count = 0;
    for (std::int64_t s = 0; s < rows.taps; ++s) {
      const std::int64_t above = r + rows.before - s * rows.dilation, i = above / rows.stride;
      if (above < 0 || i * rows.stride != above || i >= rows.out) continue;
      for (std::int64_t t = 0; t < conv.columns.taps; ++t)
        if (run_of[t] == p) terms[count++] = {w[s * conv.columns.taps + t], dy + i * row + shift[t]};
    }
    each(0, runs.length - lanes, [&](std::int64_t k, auto) {
      Batch sum(0.f);
      for (int term = 0; term < count; ++term) sum = mul_add(Batch(terms[term].weight), load(terms[term].dy + k), sum);
      store(to + k, sum);
    });
  }

  /// One plane of dx; memory: size() floats.
  void plane(T* dx, const T* dy, const T* w, T* memory, bool accumulate) const {
    T* const own_runs = memory + conv.rows.out * row;
    T* const woven = own_runs + runs.size();
    copy(memory, dy);
    for (std::int64_t r = 0; r < conv.rows.in; ++r, dx += conv.columns.in) {
      for (std::int64_t p = 0; p < runs.stride; ++p) run(own_runs + p * runs.length, memory, w, r, p);
      runs.weave(woven, own_runs, padded);
      each(0, conv.columns.in,
           [=, from = woven + conv.columns.before](std::int64_t q, auto at) { put(at, dx + q, at.load(from + q), accumulate); });
    }
  }

  const Conv& conv;
  std::int64_t padded;  // columns of dx and what lies before them
  Runs runs;
  std::int64_t ahead;                                // zeros before a row of dy
  std::int64_t row;                                  // floats of a copied row of dy
  std::int64_t run_of[most_taps], shift[most_taps];  // by tap: the run that it adds to, and where in a row of dy it starts
};

/// dx (+)= dy * the flipped kernel.
inline void depthwise_dense_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const Conv turned{conv.samples, conv.groups, conv.in_channels, conv.out_channels, flipped(conv.rows), flipped(conv.columns)};
  const CopiedRows copied(turned);
  const std::int64_t size = taps(conv);
  parallel_blocks(conv.samples * conv.in_channels, depthwise_cost(conv), [&](std::int64_t first, std::int64_t count) {
    T turned_weight[most_taps * most_taps];
    const auto weight = [&](std::int64_t plane) {
      const T* const own = w + plane % conv.in_channels * size;
      std::reverse_copy(own, own + size, turned_weight);
      return turned_weight;
    };
    const auto zero = [](std::int64_t) { return 0.f; };
    depthwise_planes(copied, first, count, dx, dy, accumulate, zero, weight, [](std::int64_t, std::int64_t, std::int64_t) {});
  });
}

inline void depthwise_conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  if (conv.rows.stride == 1 && conv.columns.stride == 1) return depthwise_dense_input_gradient(conv, dx, dy, w, accumulate);
  const std::int64_t in = in_pixels(conv), out = out_pixels(conv);
  const SpreadRows spread(conv);
  parallel_blocks(conv.samples * conv.in_channels, depthwise_cost(conv), [&](std::int64_t first, std::int64_t count) {
    thread_local Scratch scratch;
    T* const memory = scratch.floats(spread.size());
    std::fill_n(memory, spread.size(), 0.f);
    for (std::int64_t plane = first; plane < first + count; ++plane)
      spread.plane(dx + plane * in, dy + plane * out, w + plane % conv.in_channels * taps(conv), memory, accumulate);
  });
}

/// The sums of the products that a window's taps gather, in lanes; taken out now and then, so that none grows long.
struct TapSums {
  Batch lane[most_taps * most_taps];
  double total[most_taps * most_taps] = {};
  std::int64_t taps, terms = 0;

  explicit TapSums(std::int64_t count) : taps(count) { std::fill_n(lane, taps, Batch(0.f)); }
  /// After `count` more terms of each tap.
  void added(std::int64_t count) {
    terms += count;
    if (terms >= sum_block / 2) take_out();
  }
  void take_out() {
    for (std::int64_t k = 0; k < taps; ++k) {
      total[k] += double(kernels::total(lane[k]));
      lane[k] = Batch(0.f);
    }
    terms = 0;
  }
};

/// Adds the products of `count` rows of dy with the copied rows that a 3 x 3 window saw.
template <int stride, std::size_t count>
inline void depthwise_products_3x3(const CopiedRows& copied, TapSums& sums, const T* dy, const T* from) {
  const std::int64_t out = copied.columns.out, row = copied.row;
  const T* const tap[3] = {from + copied.place(0), from + copied.place(1), from + copied.place(2)};
  Batch sum[9];
  unroll<9>([&](auto k) __attribute__((always_inline)) { sum[k] = sums.lane[k]; });
  each(
      0, out, [&](std::int64_t j, auto at) __attribute__((always_inline)) {
        Batch by[count];
        unroll<count>([&](auto i) __attribute__((always_inline)) { by[i] = at.load(dy + i * out + j); });
        unroll<(count - 1) * stride + 3>([&](auto r) __attribute__((always_inline)) {
          unroll<3>([&](auto t) __attribute__((always_inline)) {
            const Batch x = at.load(tap[t] + r * row + j);
            unroll<count>([&](auto i) __attribute__((always_inline)) {
              constexpr int s = r - i * stride;
              if constexpr (s >= 0 && s < 3) sum[s * 3 + t] = mul_add(by[i], x, sum[s * 3 + t]);
            });
          });
        });
      });
  unroll<9>([&](auto k) __attribute__((always_inline)) { sums.lane[k] = sum[k]; });
}

/// The same for any window and one row.
inline void depthwise_products(const CopiedRows& copied, TapSums& sums, const T* dy, const T* from) {
  for (std::int64_t s = 0, k = 0; s < copied.rows.taps; ++s)
    for (std::int64_t t = 0; t < copied.columns.taps; ++t, ++k) {
      const T* const x = from + s * copied.rows.dilation * copied.row + copied.place(t);
      sums.lane[k] += sum_of(copied.columns.out, [=](std::int64_t j, auto at) { return at.load(dy + j) * at.load(x + j); });
    }
}

/// Adds those of `count` output rows of a strip.
inline void depthwise_strip_products(const CopiedRows& copied, std::int64_t count, TapSums& sums, const T* dy, const T* from) {
  const std::int64_t out = copied.columns.out, step = copied.rows.stride * copied.row;
  std::int64_t i = 0;
  const auto rows = [&](auto stride, auto together) {
    for (; i + together <= count; i += together)
      depthwise_products_3x3<stride, together>(copied, sums, dy + i * out, from + i * step);
  };
  constexpr std::integral_constant<int, 1> one{};
  constexpr std::integral_constant<int, 2> two{};
  if (is_3x3(copied) && copied.rows.stride == 1) rows(one, std::integral_constant<int, 4>{}), rows(one, two), rows(one, one);
  if (is_3x3(copied) && copied.rows.stride == 2) rows(two, two), rows(two, one);
  for (; i < count; ++i) depthwise_products(copied, sums, dy + i * out, from + i * step);
}

inline void depthwise_conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  const CopiedRows copied(conv);
  const std::int64_t in = in_pixels(conv), out = out_pixels(conv), size = taps(conv);
  const std::int64_t count = channels.end - channels.begin;
  parallel_for(count, conv.samples * count * depthwise_cost(conv), [&](std::int64_t c) {
    thread_local Scratch scratch;
    T* const rows = scratch.floats(copied.size());
    std::fill_n(rows, copied.size(), 0.f);
    TapSums sums(size);
    for (std::int64_t sample = 0; sample < conv.samples; ++sample) {
      const std::int64_t plane = sample * conv.in_channels + channels.begin + c;
      for (std::int64_t first = 0; first < conv.rows.out; first += copied.strip) {
        const std::int64_t height = std::min(copied.strip, conv.rows.out - first);
        copied.copy(rows, x + plane * in, first, height);
        depthwise_strip_products(copied, height, sums, dy + plane * out + first * conv.columns.out, rows);
        sums.added(height * conv.columns.out);
      }
    }
    sums.take_out();
    for (std::int64_t k = 0; k < size; ++k) {
      T& to = dw[c * size + k];
      to = accumulate ? to + T(sums.total[k]) : T(sums.total[k]);
    }
  });
}

}  // namespace
}  // namespace safer::kernels
