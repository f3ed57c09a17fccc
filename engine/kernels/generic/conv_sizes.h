#pragma once

#include "engine/kernels/generic/simd.h"

namespace safer::kernels {
namespace {

inline std::int64_t in_pixels(const Conv& conv) { return conv.rows.in * conv.columns.in; }
inline std::int64_t out_pixels(const Conv& conv) { return conv.rows.out * conv.columns.out; }
inline std::int64_t taps(const Conv& conv) { return conv.rows.taps * conv.columns.taps; }
/// Input and output channels of a group.
inline std::int64_t group_inputs(const Conv& conv) { return conv.in_channels / conv.groups; }
inline std::int64_t group_outputs(const Conv& conv) { return conv.out_channels / conv.groups; }
/// Weights of one output channel.
inline std::int64_t row_weights(const Conv& conv) { return group_inputs(conv) * taps(conv); }
/// Multiply-adds.
inline std::int64_t conv_work(const Conv& conv) { return conv.samples * conv.out_channels * out_pixels(conv) * row_weights(conv); }

/// From the first tap of a window to its last.
inline std::int64_t taps_reach(const WindowAxis& axis) { return (axis.taps - 1) * axis.dilation; }
/// Inputs, with padding, from the first that a window sees to the last.
inline std::int64_t padded_length(const WindowAxis& axis) { return (axis.out - 1) * axis.stride + taps_reach(axis) + 1; }

/// Each window is one pixel, and each pixel has one.
inline bool sees_pixels(const Conv& conv) {
  const auto plain = [](const WindowAxis& axis) {
    return axis.taps == 1 && axis.stride == 1 && axis.before == 0 && axis.out == axis.in;
  };
  return plain(conv.rows) && plain(conv.columns);
}

/// The image as one long row where that is the same: it divides into tiles better.
inline Conv flattened(Conv conv) {
  if (!sees_pixels(conv)) return conv;
  conv.columns.in = conv.columns.out = in_pixels(conv);
  conv.rows.in = conv.rows.out = 1;
  return conv;
}

}  // namespace
}  // namespace safer::kernels
