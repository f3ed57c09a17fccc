#pragma once

#include "engine/kernels/generic/conv_forward.h"
#include "engine/kernels/generic/conv_input_gradient.h"
#include "engine/kernels/generic/conv_pointwise.h"
#include "engine/kernels/generic/conv_weight_gradient.h"
#include "engine/kernels/generic/depthwise_gradient.h"

// The entries of the table: which algorithm serves which sizes.
namespace safer::kernels {
namespace {

inline void conv2d(const Conv& conv, T* y, const T* x, const T* w, const T* packed_w, const Epilogue<T>& epilogue) {
  if (is_depthwise(conv)) return depthwise_conv2d(conv, y, x, w, epilogue);
  if (is_product(conv)) return pointwise(conv, y, x, w, epilogue);
  convolve(conv, y, x, w, packed_w, epilogue);
}

inline bool is_packed(const Conv& conv) { return !is_depthwise(conv) && !is_product(conv); }
inline std::int64_t packed_conv2d_size(const Conv& conv) { return is_packed(conv) ? conv.groups * packed_group(conv) : 0; }
inline void pack_conv2d(const Conv& conv, T* packed, const T* w) {
  if (is_packed(conv)) pack_groups(conv, packed, w);
}

inline void conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  if (is_depthwise(conv)) return depthwise_conv2d_input_gradient(conv, dx, dy, w, accumulate);
  if (is_product(conv)) return pointwise_input_gradient(conv, dx, dy, w, accumulate);
  input_gradient(conv, dx, dy, w, accumulate);
}

inline void conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  if (is_depthwise(conv)) return depthwise_conv2d_weight_gradient(conv, dw, dy, x, channels, accumulate);
  weight_gradient(conv, dw, dy, x, channels, accumulate);
}

}  // namespace
}  // namespace safer::kernels
