#pragma once

#include <string_view>

#include "engine/ops/window.h"
#include "engine/tape/tape.h"

namespace safer {

/// What an output pixel takes: the nearest input pixel, or the weighted mean of the four around its place.
enum class ResizeMode { nearest, bilinear };
/// Where output pixel o lies among the input's, for scale = out / in (ONNX's coordinate_transformation_mode):
///   half_pixel          (o + 1/2) / scale - 1/2
///   pytorch_half_pixel  the same; 0 for an output of one pixel
///   align_corners       o (in - 1) / (out - 1); 0 for an output of one pixel
///   asymmetric          o / scale
enum class ResizeCoordinates { half_pixel, pytorch_half_pixel, align_corners, asymmetric };
/// Which of two pixels is the nearest (ONNX's nearest_mode); the first two differ in the middle between them.
enum class ResizeRounding { round_prefer_floor, round_prefer_ceil, floor, ceil };

/// PyTorch's `nearest` is asymmetric with floor, its `nearest-exact` half_pixel with round_prefer_ceil, its `bilinear` half_pixel
/// or align_corners.
struct ResizeOptions {
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  ResizeRounding rounding = ResizeRounding::round_prefer_floor;
  double row_scale = 0, column_scale = 0;  // out / in where a file names another scale than the sizes give; 0: what they give
};

/// x [N, channels, H, W] sampled anew: y [N, channels, size.rows, size.columns]. Places beyond the border take the border's pixel.
/// Nothing is smoothed before it is made smaller. Throws Error when x is no image or a number makes no sense.
Var resize(Var x, Pair size, ResizeOptions options = {}, std::string_view name = {});

}  // namespace safer
