#pragma once

#include <vector>

#include "engine/ops/window.h"
#include "models/onnx/node_import.h"

namespace safer::onnx {

/// One axis of a sliding window, as Conv and the pooling operators describe it.
struct WindowAttributes {
  std::int64_t taps = 1, stride = 1, dilation = 1, before = 0, after = 0;
};

/// All axes of a window; the accessors are those of the last two, rows and columns, of which the first may be missing.
struct Window {
  std::vector<WindowAttributes> axes;

  Pair taps() const { return pair(&WindowAttributes::taps); }
  Pair stride() const { return pair(&WindowAttributes::stride); }
  Pair dilation() const { return pair(&WindowAttributes::dilation); }
  Padding padding() const;

 private:
  Pair pair(std::int64_t WindowAttributes::*member) const;
};

/// From the attributes strides, dilations, pads and auto_pad, for x [N, channels, places...]. Throws Error when they do not fit.
Window window_of(const NodeImport& node, const Shape& x, const std::vector<std::int64_t>& taps);

}  // namespace safer::onnx
