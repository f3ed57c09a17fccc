#pragma once

#include <string>

#include "engine/tensor.h"

namespace safer::onnx {

/// Resize's attributes, in ONNX's words.
struct ResizeMatrixOptions {
  std::string mode = "nearest";
  std::string coordinates = "half_pixel";
  std::string rounding = "round_prefer_floor";
  double cubic_coefficient = -0.75;
  bool exclude_outside = false, antialias = false;
  double begin = 0, end = 1;  // of tf_crop_and_resize: the part of the axis that the output shows
};

/// Resize along one axis as a matrix [in, out] of weights: y = x M. For tf_crop_and_resize, the column of an output place that lies
/// beyond the input is 0. Throws Error for attributes that it does not know.
Tensor resize_matrix(std::int64_t in, std::int64_t out, double scale, const ResizeMatrixOptions& options);

}  // namespace safer::onnx
