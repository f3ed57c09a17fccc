#pragma once

#include <cstdint>
#include <string_view>

#include "engine/ops/window.h"
#include "engine/tape/tape.h"

namespace safer {

struct ConvOptions {
  Pair stride = 1;
  Padding padding = 0;  // zeros; sides may differ
  Pair dilation = 1;
  std::int64_t groups = 1;  // of channels that see only each other; as many as channels: a depthwise convolution
};

/// Two-dimensional convolution without flipping the kernel, as deep learning has it:
///   y[n, o, i, j] = b[o] + sum over c, s, t of w[o, c, s, t] x[n, c', i stride - top + s dilation, j stride - left + t dilation]
/// with c' = c plus the first channel of o's group.
///   x: [N, channels, H, W], batch axis 0     w: [out, channels / groups, taps, taps]     b: [out] or none
///   y: [N, out, H', W'],  H' = floor((H + top + bottom - dilation (taps - 1) - 1) / stride) + 1, W' likewise
/// w and b are shared by all samples. The node is called `name`, or when that is empty like the weight without its ".weight".
/// Throws Error when the shapes do not fit.
Var conv2d(Var x, Var w, Var b = {}, ConvOptions options = {}, std::string_view name = {});

}  // namespace safer
