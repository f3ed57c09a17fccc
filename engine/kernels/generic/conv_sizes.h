#pragma once

#include "engine/kernels/generic/gemm_block.h"

// What all three directions of a convolution ask about its sizes.
namespace safer::kernels {
namespace {

inline std::int64_t in_pixels(const Conv& conv) { return conv.rows.in * conv.columns.in; }
inline std::int64_t out_pixels(const Conv& conv) { return conv.rows.out * conv.columns.out; }
inline std::int64_t taps(const Conv& conv) { return conv.rows.taps * conv.columns.taps; }
/// Channels of one group.
inline std::int64_t depth(const Conv& conv) { return conv.in_channels / conv.groups; }
inline std::int64_t outputs(const Conv& conv) { return conv.out_channels / conv.groups; }
inline std::int64_t row_weights(const Conv& conv) { return depth(conv) * taps(conv); }
inline std::int64_t conv_work(const Conv& conv) {
  return conv.samples * conv.out_channels * out_pixels(conv) * row_weights(conv) / 16;
}

/// Inputs that the taps of one output reach over.
inline std::int64_t taps_reach(const WindowAxis& axis) { return (axis.taps - 1) * axis.dilation; }

/// Item `part` of `parts` equal ones starts here: 0 for the first, n for part = parts.
inline std::int64_t cut(std::int64_t n, std::int64_t part, std::int64_t parts) { return n * part / parts; }

/// So many floats that steps of this size do not fall on few sets of a cache: an odd number of its lines.
inline std::int64_t odd_lines(std::int64_t floats) { return (pieces(floats, 16) | 1) * 16; }

}  // namespace
}  // namespace safer::kernels
