#pragma once

#include <numeric>

#include "engine/kernels/generic/conv_forward.h"
#include "engine/kernels/generic/conv_weight_gradient.h"
#include "engine/kernels/generic/depthwise_gradient.h"

// Convolutions as products: forward and input gradient here, on the machinery of conv_forward.h.
namespace safer::kernels {
namespace {

inline std::int64_t packed_conv2d_size(const Conv& conv) { return is_depthwise(conv) ? 0 : conv.out_channels * row_weights(conv); }

/// The weights of each group as gemm's tiles of rows.
inline void pack_conv2d(const Conv& conv, T* packed, const T* w) {
  const std::int64_t k = row_weights(conv);
  const RowTiles tiles(outputs(conv), tile_shape.rows);
  parallel_for(conv.groups * tiles.count, packed_conv2d_size(conv) / 4, [&](std::int64_t task) {
    const std::int64_t first = task / tiles.count * outputs(conv) + tiles.first(task % tiles.count);
    pack_rows(packed + first * k, {w + first * k, k, 1}, tiles.rows(task % tiles.count), k);
  });
}

inline void conv2d(const Conv& conv, T* y, const T* x, const T* w, const T* packed_w, const Epilogue<T>& epilogue) {
  if (is_depthwise(conv)) return depthwise_conv2d(conv, y, x, w, epilogue);
  thread_local Scratch scratch;
  if (!packed_w) {
    float* const to = scratch.floats(packed_conv2d_size(conv));
    pack_conv2d(conv, to, w);
    packed_w = to;
  }
  const std::int64_t pixels = out_pixels(conv);
  convolve(conv, x, packed_w, {y, conv.out_channels * pixels, pixels, conv.columns.out, 1, epilogue});
}

/// The inputs of one axis at places r, r + stride, ...: they meet every step-th tap, last to first in ascending order of outputs.
/// `axis` is what they see of the outputs.
struct Phase {
  Phase(const WindowAxis& a, std::int64_t r) : step(a.stride / std::gcd(a.stride, a.dilation)) {
    std::int64_t first = 0;
    while (first < std::min(step, a.taps) && (r + a.before - first * a.dilation) % a.stride != 0) ++first;
    const std::int64_t count = first < std::min(step, a.taps) ? (a.taps - 1 - first) / step + 1 : 0;
    last = first + (count - 1) * step;
    axis = {.in = a.out,
            .out = r < a.in ? (a.in - 1 - r) / a.stride + 1 : 0,
            .taps = count,
            .stride = 1,
            .dilation = step * a.dilation / a.stride,
            .before = -((r + a.before - last * a.dilation) / a.stride)};
  }
  std::int64_t step, last;
  WindowAxis axis;
};

/// w of these taps as packed rows of input channels, k = (output channel of the group, row tap, column tap).
inline void pack_transposed(const Conv& conv, const Phase& rows, const Phase& columns, float* packed, const float* w) {
  const RowTiles tiles(depth(conv), tile_shape.rows);
  const std::int64_t k = outputs(conv) * rows.axis.taps * columns.axis.taps;
  parallel_for(conv.groups * tiles.count, conv.in_channels * k, [&](std::int64_t task) {
    const std::int64_t group = task / tiles.count, tile = task % tiles.count, count = tiles.rows(tile), first = tiles.first(tile);
    float* to = packed + (group * depth(conv) + first) * k;
    for (std::int64_t o = group * outputs(conv); o < (group + 1) * outputs(conv); ++o)
      for (std::int64_t s = rows.last, m = 0; m < rows.axis.taps; ++m, s -= rows.step)
        for (std::int64_t t = columns.last, n = 0; n < columns.axis.taps; ++n, t -= columns.step, to += count) {
          const float* from = w + (o * depth(conv) + first) * taps(conv) + s * conv.columns.taps + t;
          for (std::int64_t c = 0; c < count; ++c) to[c] = from[c * taps(conv)];
        }
  });
}

inline void set_to_zero(const Conv& to, const Planes& planes) {
  parallel_for(to.samples * to.out_channels, to.samples * to.out_channels * out_pixels(to), [&](std::int64_t plane) {
    float* const y = planes.y + plane * planes.plane;
    for (std::int64_t i = 0; i < to.rows.out; ++i)
      for (std::int64_t j = 0; j < to.columns.out; ++j) y[i * planes.row + j * planes.column] = 0;
  });
}

/// A convolution of dy for each remainder of the input's place modulo the stride: no zeros are inserted.
inline void conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  if (is_depthwise(conv)) return depthwise_conv2d_input_gradient(conv, dx, dy, w, accumulate);
  thread_local Scratch scratch;
  const Epilogue<T> none;
  for (std::int64_t i = 0; i < conv.rows.stride; ++i)
    for (std::int64_t j = 0; j < conv.columns.stride; ++j) {
      const Phase rows(conv.rows, i), columns(conv.columns, j);
      const Conv phase{conv.samples, conv.groups, conv.out_channels, conv.in_channels, rows.axis, columns.axis};
      const Planes planes{dx + i * conv.columns.in + j,
                          conv.in_channels * in_pixels(conv),
                          in_pixels(conv),
                          conv.rows.stride * conv.columns.in,
                          conv.columns.stride,
                          none,
                          accumulate};
      if (out_pixels(phase) == 0) continue;
      if (row_weights(phase) > 0) {
        float* const packed = scratch.floats(phase.out_channels * row_weights(phase));
        pack_transposed(conv, rows, columns, packed, w);
        convolve(phase, dy, packed, planes);
      } else if (!accumulate) {
        set_to_zero(phase, planes);
      }
    }
}

}  // namespace
}  // namespace safer::kernels
