#pragma once

#include <algorithm>

#include "engine/kernels/generic/conv_sizes.h"
#include "engine/kernels/generic/loop.h"
#include "engine/kernels/generic/scratch.h"

namespace safer::kernels {
namespace {

/// Planes of an image: (n, c, i, j) at data + n * sample + c * plane + i * row + j.
struct Planes {
  const float* data;
  std::int64_t sample, plane, row;
};

/// One axis of an image with zeros before it, up to `size` in all, which may also cut its end off.
struct PaddedAxis {
  std::int64_t in, before, size;
  bool copies() const { return before > 0 || size > in; }
};
/// What the windows of a convolution see.
inline PaddedAxis padded_axis(const WindowAxis& axis) { return {axis.in, axis.before, padded_length(axis)}; }

/// Floats a plane that padded() writes; 0 where the images serve as they are.
inline std::int64_t padded_plane(const PaddedAxis& rows, const PaddedAxis& columns) {
  return rows.copies() || columns.copies() ? rows.size * columns.size : 0;
}

/// x: [samples, channels, rows.in, columns.in] with its padding, copied to `to` where there is any.
inline Planes padded(const T* x, std::int64_t samples, std::int64_t channels, const PaddedAxis& rows, const PaddedAxis& columns,
                     float* to) {
  const std::int64_t size = padded_plane(rows, columns), plane = rows.in * columns.in;
  if (size == 0) return {x, channels * plane, plane, columns.in};
  const std::int64_t left = std::min(columns.before, columns.size);
  const std::int64_t middle = std::min(columns.size - left, columns.in), right = columns.size - left - middle;
  parallel_for(samples * channels, samples * channels * size, [=](std::int64_t n) {
    float* row = to + n * size;
    for (std::int64_t i = -rows.before; i < rows.size - rows.before; ++i, row += columns.size) {
      if (i < 0 || i >= rows.in) {
        std::fill_n(row, columns.size, 0.f);
        continue;
      }
      std::fill_n(row, left, 0.f);
      std::copy_n(x + n * plane + i * columns.in, middle, row + left);
      std::fill_n(row + left + middle, right, 0.f);
    }
  });
  return {to, channels * size, size, columns.size};
}

}  // namespace
}  // namespace safer::kernels
