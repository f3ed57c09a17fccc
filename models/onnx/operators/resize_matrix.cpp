#include "models/onnx/operators/resize_matrix.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"

namespace safer::onnx {
namespace {

/// Where output place o lies among the input's.
double coordinate(const ResizeMatrixOptions& options, double o, double in, double out, double scale) {
  const std::string& mode = options.coordinates;
  if (mode == "tf_crop_and_resize")
    return out == 1 ? 0.5 * (options.begin + options.end) * (in - 1)
                    : options.begin * (in - 1) + o * (options.end - options.begin) * (in - 1) / (out - 1);
  if (mode == "asymmetric") return o / scale;
  if (mode == "align_corners") {
    // ONNX's own tests take the scaled size before it is rounded down to `out`.
    const double scaled = scale * in;
    return out == 1 || scaled <= 1 ? 0 : o * (in - 1) / (scaled - 1);
  }
  if (mode == "pytorch_half_pixel") return out == 1 ? 0 : (o + 0.5) / scale - 0.5;
  if (mode == "half_pixel") return (o + 0.5) / scale - 0.5;
  if (mode == "half_pixel_symmetric") {
    // The output is centred even where the scaled size was rounded.
    const double adjustment = out / (scale * in), centre = in / 2;
    return centre * (1 - adjustment) + (o + 0.5) / scale - 0.5;
  }
  throw Error("attribute 'coordinate_transformation_mode' is '{}'", mode);
}

double nearest(const std::string& rounding, double x) {
  if (rounding == "round_prefer_floor") return std::ceil(x - 0.5);
  if (rounding == "round_prefer_ceil") return std::floor(x + 0.5);
  if (rounding == "floor") return std::floor(x);
  if (rounding == "ceil") return std::ceil(x);
  throw Error("attribute 'nearest_mode' is '{}'", rounding);
}

/// The weight of an input at distance t: a triangle, or Keys' cubic (1981).
double kernel(const ResizeMatrixOptions& options, double t) {
  t = std::abs(t);
  if (options.mode == "linear") return std::max(0.0, 1 - t);
  const double a = options.cubic_coefficient;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

}  // namespace

Tensor resize_matrix(std::int64_t in, std::int64_t out, double scale, const ResizeMatrixOptions& options) {
  constexpr std::int64_t most = std::int64_t{1} << 24;
  if (in < 1 || in > most / out) throw Error("{} places to {} by a matrix is too much", in, out);
  Tensor matrix(DType::f32, {in, out});
  const auto weights = matrix.mutable_values<float>();
  const auto add = [&](std::int64_t i, std::int64_t o, double weight) {
    float& element = weights[static_cast<std::size_t>(std::clamp<std::int64_t>(i, 0, in - 1) * out + o)];
    element = static_cast<float>(element + weight);
  };
  const double stretch = options.antialias ? std::min(1.0, scale) : 1;  // what is made smaller is smoothed first
  const double reach = (options.mode == "linear" ? 1 : 2) / stretch;
  for (std::int64_t o = 0; o < out; ++o) {
    const double x = coordinate(options, static_cast<double>(o), static_cast<double>(in), static_cast<double>(out), scale);
    if (options.coordinates == "tf_crop_and_resize" && !(x >= 0 && x <= static_cast<double>(in - 1))) continue;
    if (options.mode == "nearest") {
      add(static_cast<std::int64_t>(nearest(options.rounding, x)), o, 1);
      continue;
    }
    const auto first = static_cast<std::int64_t>(std::floor(x - reach)) + 1,
               last = static_cast<std::int64_t>(std::floor(x + reach));
    std::vector<double> taps;
    double sum = 0;
    for (std::int64_t i = first; i <= last; ++i) {
      const bool counts = !options.exclude_outside || (i >= 0 && i < in);
      taps.push_back(counts ? kernel(options, (static_cast<double>(i) - x) * stretch) : 0);
      sum += taps.back();
    }
    for (std::int64_t i = first; i <= last; ++i) add(i, o, taps[static_cast<std::size_t>(i - first)] / sum);
  }
  return matrix;
}

}  // namespace safer::onnx
