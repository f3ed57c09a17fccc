#include "engine/ops/resize.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/operators.h"
#include "models/onnx/operators/resize_matrix.h"

namespace safer::onnx {
namespace {

struct ResizedAxes {
  std::vector<std::int64_t> sizes;
  std::vector<double> scales;
  std::vector<double> begins = {}, ends = {};  // of tf_crop_and_resize
  double outside = 0;                          // what it shows beyond the input
};

constexpr std::int64_t most_places = 1 << 20;  // places along an axis of the result

std::int64_t scaled(std::int64_t size, double scale) {
  const double result = std::floor(static_cast<double>(size) * scale);
  if (!(result >= 1 && result <= static_cast<double>(most_places))) throw Error("{} places scaled by {}", size, scale);
  return static_cast<std::int64_t>(result);
}

/// Axes that `axes` leaves out keep their size.
ResizedAxes target_of(const NodeImport& node, const Shape& x, std::size_t scales_at, std::size_t sizes_at) {
  ResizedAxes target{{x.begin(), x.end()}, std::vector<double>(static_cast<std::size_t>(x.rank()), 1.0)};
  std::vector<std::int64_t> axes = node.attributes().integers("axes");
  for (int axis = 0; node.attributes().integers("axes").empty() && axis < x.rank(); ++axis) axes.push_back(axis);
  const bool by_scale = scales_at == 0 || (node.has(scales_at) && node.constant(scales_at, "the scales").size() > 0);
  std::vector<double> given;
  if (scales_at == 0) {
    const std::vector<float> numbers = node.attributes().numbers("scales");
    given.assign(numbers.begin(), numbers.end());
  } else {
    const Tensor numbers = node.constant(by_scale ? scales_at : sizes_at, "the size").to(DType::f64);
    given.assign(numbers.values<double>().begin(), numbers.values<double>().end());
  }
  if (given.size() != axes.size()) throw Error("{} sizes for {} axes", given.size(), axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const int axis = x.axis(axes[i], "axes");
    const auto a = static_cast<std::size_t>(axis);
    target.sizes[a] = by_scale ? scaled(x[axis], given[i]) : scaled(1, given[i]);
    target.scales[a] = by_scale ? given[i] : given[i] / static_cast<double>(x[axis]);
  }
  return target;
}

/// The part of the input that tf_crop_and_resize shows, whose input 1 has all begins and then all ends.
void read_crop(const NodeImport& node, const Shape& x, ResizedAxes& target) {
  const Tensor roi = node.constant(1, "the region").to(DType::f64);
  if (roi.size() != 2 * x.rank()) throw Error("a region of {} numbers for {}", roi.size(), x);
  const auto numbers = roi.values<double>();
  target.begins.assign(numbers.begin(), numbers.begin() + x.rank());
  target.ends.assign(numbers.begin() + x.rank(), numbers.end());
  target.outside = node.attributes().number("extrapolation_value", 0);
}

ResizeMatrixOptions options_of(const NodeImport& node) {
  const Attributes a = node.attributes();
  const bool old = node.opset() < 11;
  ResizeMatrixOptions o;
  o.mode = a.text("mode", "nearest");
  o.coordinates = a.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  o.rounding = a.text("nearest_mode", old ? "floor" : "round_prefer_floor");
  o.cubic_coefficient = a.number("cubic_coeff_a", -0.75);
  o.exclude_outside = a.integer("exclude_outside", 0) != 0;
  o.antialias = a.integer("antialias", 0) != 0;
  if (a.text("keep_aspect_ratio_policy", "stretch") != "stretch")
    throw Error("attribute 'keep_aspect_ratio_policy', expected stretch");
  return o;
}

/// The engine's own op where it does what is asked for, on the last two axes of an image.
Var on_image(const NodeImport& node, Var x, const ResizedAxes& target, const ResizeMatrixOptions& o) {
  constexpr std::string_view coordinates[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"};
  constexpr std::string_view roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  const auto place = std::ranges::find(coordinates, o.coordinates);
  const auto rounding = std::ranges::find(roundings, o.rounding);
  const auto rounded = [&](int axis) {
    const auto a = static_cast<std::size_t>(axis);
    return std::abs(target.scales[a] * static_cast<double>(x.shape()[axis]) - static_cast<double>(target.sizes[a])) > 1e-6;
  };
  const bool image = x.shape().rank() == 4 && target.sizes[0] == x.shape()[0] && target.sizes[1] == x.shape()[1];
  if (!image || x.type().batch_axis != 0 || o.mode == "cubic" || o.antialias || o.exclude_outside ||
      place == std::end(coordinates) || (o.coordinates == "align_corners" && (rounded(2) || rounded(3))) ||
      rounding == std::end(roundings))
    return {};
  node.spend(target.sizes[2] + target.sizes[3]);
  return resize(x, {target.sizes[2], target.sizes[3]},
                {.mode = o.mode == "nearest" ? ResizeMode::nearest : ResizeMode::bilinear,
                 .coordinates = static_cast<ResizeCoordinates>(place - std::begin(coordinates)),
                 .rounding = static_cast<ResizeRounding>(rounding - std::begin(roundings)),
                 .row_scale = target.scales[2],
                 .column_scale = target.scales[3]});
}

/// One axis by a product with a constant matrix.
Var resize_axis(Var x, int axis, const Tensor& weights) {
  const int last = x.shape().rank() - 1;
  const Var matrix = x.tape().constant("resize", weights);
  std::vector<std::int64_t> swapped(static_cast<std::size_t>(last + 1));
  for (int k = 0; k <= last; ++k) swapped[static_cast<std::size_t>(k)] = k == axis ? last : k == last ? axis : k;
  const Var turned = axis == last ? x : transpose(x, swapped);
  const Var y = linear(turned, matrix, {}, "resize", WeightLayout::in_out);
  return axis == last ? y : transpose(y, swapped);
}

/// x with `value` at the places along an axis that take nothing from the input.
Var fill_outside(Var x, int axis, const Tensor& weights, double value) {
  const std::int64_t places = weights.shape()[1];
  Shape shape{places};
  for (int after = axis + 1; after < x.shape().rank(); ++after) shape.push_back(1);
  Tensor inside(DType::f32, shape), filled(DType::f32, shape);
  const auto w = weights.values<float>();
  for (std::size_t o = 0; o < static_cast<std::size_t>(places); ++o) {
    bool any = false;
    for (std::size_t i = o; i < w.size(); i += static_cast<std::size_t>(places)) any = any || w[i] != 0;
    inside.mutable_values<float>()[o] = any ? 1.0f : 0.0f;
    filled.mutable_values<float>()[o] = any ? 0.0f : static_cast<float>(value);
  }
  return x * x.tape().constant("inside", inside) + x.tape().constant("outside", filled);
}

Var resized(const NodeImport& node, Var x, const ResizedAxes& target, const ResizeMatrixOptions& options) {
  if (options.mode != "nearest" && options.mode != "linear" && options.mode != "cubic")
    throw Error("attribute 'mode' is '{}'", options.mode);
  if (const Var y = on_image(node, x, target, options)) return y;
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    ResizeMatrixOptions own = options;
    if (!target.begins.empty()) own.begin = target.begins[a], own.end = target.ends[a];
    if (target.sizes[a] == x.shape()[axis] && target.scales[a] == 1 && own.begin == 0 && own.end == 1) continue;
    if (axis == x.type().batch_axis) throw Error("the axis of the batch would be resized");
    node.spend(Shape{x.shape()[axis], target.sizes[a]}.size());
    const Tensor weights = resize_matrix(x.shape()[axis], target.sizes[a], target.scales[a], own);
    x = resize_axis(x, axis, weights);
    if (target.outside != 0) x = fill_outside(x, axis, weights, target.outside);
  }
  return x;
}

std::vector<Value> resize_axes(const NodeImport& node) {
  const Var x = node.var(0);
  const bool old = node.opset() < 11;
  ResizedAxes target = target_of(node, x.shape(), old ? 1 : 2, 3);
  const ResizeMatrixOptions options = options_of(node);
  if (options.coordinates == "tf_crop_and_resize") read_crop(node, x.shape(), target);
  return single(resized(node, x, target, options));
}

/// The older name, which knows nearest and linear only.
std::vector<Value> upsample(const NodeImport& node) {
  const Var x = node.var(0);
  const std::string mode = node.attributes().text("mode", "nearest");
  return single(resized(node, x, target_of(node, x.shape(), node.opset() < 9 ? 0 : 1, 0),
                        {.mode = mode == "bilinear" ? "linear" : mode, .coordinates = "asymmetric", .rounding = "floor"}));
}

}  // namespace

std::span<const Operator> resize_operators() {
  static constexpr Operator rows[] = {{"Resize", resize_axes}, {"Upsample", upsample}};
  return rows;
}

}  // namespace safer::onnx
