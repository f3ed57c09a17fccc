#pragma once

#include "engine/kernels/generic/epilogue.h"

// Convolutions, one tap at a time: y's rows take up shifted rows of x.
namespace safer::kernels {
namespace {

/// Outputs begin .. end - 1 of this axis see an input, not padding, at tap t; the first of those inputs.
struct Overlap {
  std::int64_t begin, end, first;
};
inline Overlap overlap(const WindowAxis& axis, std::int64_t tap) {
  const std::int64_t shift = tap * axis.dilation - axis.before;  // the input that output 0 sees
  const std::int64_t begin = shift >= 0 ? 0 : pieces(-shift, axis.stride);
  const std::int64_t end = shift >= axis.in ? 0 : std::min(axis.out, (axis.in - 1 - shift) / axis.stride + 1);
  return {begin, std::max(begin, end), begin * axis.stride + shift};
}

/// f(y offset, x offset, count) for the runs of one row that tap (s, t) joins, x offsets in steps of the stride.
template <class F>
inline void each_run(const Conv& conv, std::int64_t s, std::int64_t t, const F& f) {
  const Overlap rows = overlap(conv.rows, s), columns = overlap(conv.columns, t);
  if (columns.begin == columns.end) return;
  for (std::int64_t i = rows.begin; i < rows.end; ++i) {
    const std::int64_t row = rows.first + (i - rows.begin) * conv.rows.stride;
    f(i * conv.columns.out + columns.begin, row * conv.columns.in + columns.first, columns.end - columns.begin);
  }
}

/// f(w offset, input channel, s, t) for the weights of output channel o.
template <class F>
inline void each_weight(const Conv& conv, std::int64_t o, const F& f) {
  const std::int64_t depth = conv.in_channels / conv.groups, group = o / (conv.out_channels / conv.groups);
  for (std::int64_t c = 0, at = o * depth * conv.rows.taps * conv.columns.taps; c < depth; ++c)
    for (std::int64_t s = 0; s < conv.rows.taps; ++s)
      for (std::int64_t t = 0; t < conv.columns.taps; ++t, ++at) f(at, group * depth + c, s, t);
}

inline std::int64_t in_pixels(const Conv& conv) { return conv.rows.in * conv.columns.in; }
inline std::int64_t out_pixels(const Conv& conv) { return conv.rows.out * conv.columns.out; }
inline std::int64_t row_weights(const Conv& conv) { return conv.in_channels / conv.groups * conv.rows.taps * conv.columns.taps; }
inline std::int64_t conv_work(const Conv& conv) { return conv.samples * conv.out_channels * out_pixels(conv) * row_weights(conv); }

inline void conv2d(const Conv& conv, T* y, const T* x, const T* w, const T*, const Epilogue<T>& epilogue) {
  const std::int64_t pixels = out_pixels(conv), step = conv.columns.stride;
  parallel_for(conv.samples * conv.out_channels, conv_work(conv), [&](std::int64_t plane) {
    const std::int64_t sample = plane / conv.out_channels, o = plane % conv.out_channels;
    T* const to = y + plane * pixels;
    std::fill_n(to, pixels, epilogue.bias ? epilogue.bias[o] : 0.f);
    each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
      const T* const from = x + (sample * conv.in_channels + c) * in_pixels(conv);
      each_run(conv, s, t, [&](std::int64_t out, std::int64_t in, std::int64_t count) {
        for (std::int64_t j = 0; j < count; ++j) to[out + j] += w[at] * from[in + j * step];
      });
    });
    if (epilogue.residual) binary<Binary::add>(to, to, 1, epilogue.residual + plane * pixels, 1, pixels, 1, false);
    if (epilogue.activates) activate(to, pixels, epilogue);
  });
}

inline std::int64_t packed_conv2d_size(const Conv&) { return 0; }
inline void pack_conv2d(const Conv&, T*, const T*) {}

inline void conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const std::int64_t size = conv.in_channels * in_pixels(conv), step = conv.columns.stride;
  parallel_for(conv.samples, conv_work(conv), [&](std::int64_t sample) {
    if (!accumulate) std::fill_n(dx + sample * size, size, 0.f);
    for (std::int64_t o = 0; o < conv.out_channels; ++o)
      each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
        T* const to = dx + sample * size + c * in_pixels(conv);
        const T* const from = dy + (sample * conv.out_channels + o) * out_pixels(conv);
        each_run(conv, s, t, [&](std::int64_t out, std::int64_t in, std::int64_t count) {
          for (std::int64_t j = 0; j < count; ++j) to[in + j * step] += w[at] * from[out + j];
        });
      });
  });
}

inline void conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  const std::int64_t first = channels.begin * row_weights(conv), step = conv.columns.stride;
  parallel_for(channels.end - channels.begin, conv_work(conv), [&](std::int64_t channel) {
    const std::int64_t o = channels.begin + channel;
    each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
      double sum = 0;
      for (std::int64_t sample = 0; sample < conv.samples; ++sample) {
        const T* const from = x + (sample * conv.in_channels + c) * in_pixels(conv);
        const T* const by = dy + (sample * conv.out_channels + o) * out_pixels(conv);
        each_run(conv, s, t, [&](std::int64_t out, std::int64_t in, std::int64_t count) {
          for (std::int64_t j = 0; j < count; ++j) sum += double(from[in + j * step]) * double(by[out + j]);
        });
      }
      dw[at - first] = accumulate ? dw[at - first] + T(sum) : T(sum);
    });
  });
}

}  // namespace
}  // namespace safer::kernels
