#pragma once

#include "engine/kernels/generic/conv_sizes.h"

// The part of an image that some rows of outputs see, copied such that no tap needs to know about padding or strides.
namespace safer::kernels {
namespace {

/// A copy of rows of an image with its padding, split by the remainder of the place modulo the stride: in a plane, the places that
/// tap (s, t) sees from output (i, j) lie at offset(s, t) + i * width + j. So a run of outputs sees a run of inputs, also beyond
/// the end of a row; what is computed between the rows (reach / stride places) is dropped.
///   [channel][row remainder][column remainder][rows][width]
struct Band {
  Band(const Conv& conv, std::int64_t out_rows)
      : rows(out_rows + taps_reach(conv.rows) / conv.rows.stride),
        width(conv.columns.out + taps_reach(conv.columns) / conv.columns.stride),
        plane(odd_lines(conv.rows.stride * conv.columns.stride * rows * width)) {}

  std::int64_t offset(const Conv& conv, std::int64_t s, std::int64_t t) const {
    const std::int64_t down = s * conv.rows.dilation, right = t * conv.columns.dilation;
    const std::int64_t remainder = down % conv.rows.stride * conv.columns.stride + right % conv.columns.stride;
    return (remainder * rows + down / conv.rows.stride) * width + right / conv.columns.stride;
  }

  std::int64_t rows, width, plane;
};

/// to[0 .. n - 1] = from[first + i * step], 0 where that is outside 0 .. in - 1.
inline void copy_padded(float* to, const float* from, std::int64_t n, std::int64_t first, std::int64_t step, std::int64_t in) {
  const std::int64_t begin = std::clamp(first < 0 ? pieces(-first, step) : 0, std::int64_t{0}, n);
  const std::int64_t end = std::clamp(first < in ? (in - 1 - first) / step + 1 : 0, begin, n);
  std::fill_n(to, begin, 0.f);
  if (step == 1)
    copy(to + begin, from + first + begin, end - begin);
  else
    for (std::int64_t i = begin; i < end; ++i) to[i] = from[first + i * step];
  std::fill_n(to + end, n - end, 0.f);
}

/// Whether some tap falls on this remainder.
inline bool any_tap(const WindowAxis& axis, std::int64_t remainder) {
  for (std::int64_t t = 0; t < axis.taps; ++t)
    if (t * axis.dilation % axis.stride == remainder) return true;
  return false;
}

/// One plane of the band whose first output row is `first`; from: the whole channel.
inline void copy_plane(float* to, const Conv& conv, const Band& band, const float* from, std::int64_t first) {
  const WindowAxis &rows = conv.rows, &columns = conv.columns;
  for (std::int64_t m = 0; m < rows.stride; ++m)
    for (std::int64_t n = 0; n < columns.stride; ++n, to += band.rows * band.width) {
      if (!any_tap(rows, m) || !any_tap(columns, n)) continue;
      for (std::int64_t i = 0; i < band.rows; ++i) {
        const std::int64_t row = (first + i) * rows.stride - rows.before + m;
        if (row < 0 || row >= rows.in)
          std::fill_n(to + i * band.width, band.width, 0.f);
        else
          copy_padded(to + i * band.width, from + row * columns.in, band.width, n - columns.before, columns.stride, columns.in);
      }
    }
}

/// Whether images need no copy: runs of outputs see runs of inputs as it is, far enough apart in memory.
inline bool dense(const Conv& conv) {
  const auto unpadded = [](const WindowAxis& axis) {
    return axis.stride == 1 && axis.before == 0 && axis.out + taps_reach(axis) == axis.in;
  };
  return unpadded(conv.rows) && unpadded(conv.columns) && in_pixels(conv) % 512 != 0;
}

}  // namespace
}  // namespace safer::kernels
