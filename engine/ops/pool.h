#pragma once

#include <string_view>

#include "engine/ops/window.h"
#include "engine/tape/tape.h"

/// Pooling of each channel by itself. All throw Error when shapes or sizes do not fit.
namespace safer {

struct PoolOptions {
  Pair stride = 1;
  Padding padding = 0;  // sides may differ
  Pair dilation = 1;
  bool ceil = false;           // also windows that reach beyond the padding, if they start on the image or the padding before it
  bool count_padding = false;  // an average divides by the taps on image and padding, not by those on the image alone
};

/// y[n, c, i, j] = the largest of x[n, c, i stride - top + s dilation, j stride - left + t dilation] that lie on the image.
///   x: [N, channels, H, W], batch axis 0     window: taps by rows and columns
///   y: [N, channels, H', W'],  H' = floor((H + top + bottom - dilation (taps - 1) - 1) / stride) + 1, W' likewise; with `ceil`
///   rounded up, as PyTorch and ONNX do
/// NaN where there is one. The gradient goes to the first of equal elements, row by row. Throws Error, too, when a window would see
/// padding only.
Var max_pool2d(Var x, Pair window, PoolOptions options = {}, std::string_view name = {});
/// The mean of the same elements; with `count_padding` padding counts as zeros.
Var average_pool2d(Var x, Pair window, PoolOptions options = {}, std::string_view name = {});
/// Over all places of a channel: [N, C, ...] becomes [N, C, 1, ...]. Recorded as mean and max.
Var global_average_pool(Var x);
Var global_max_pool(Var x);

}  // namespace safer
