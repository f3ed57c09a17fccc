#include <cmath>

#include "models/onnx/fold_element.h"
#include "models/onnx/quantized.h"

namespace safer::onnx {
namespace {

/// A scale or zero points as they are combined with a tensor: one for all, or one for each place along the attribute's axis.
Known along_axis(const FoldNode& node, const Known& factor) {
  const Shape &shape = node.in(0).value.shape(), &own = factor.value.shape();
  if (factor.value.size() == 1) return Known{factor.value.reshaped({})};
  const int axis = shape.axis(node.attributes().integer("axis", 1), "axis");
  if (own.rank() != 1 || own[0] != shape[axis])
    throw Error("scale or zero point is {}, expected one for each of axis {} of {}", own, axis, shape);
  Shape spread{own[0]};
  for (int after = axis + 1; after < shape.rank(); ++after) spread.push_back(1);
  return Known{factor.value.reshaped(spread)};
}

Known scale_of(const FoldNode& node) {
  if (node.attributes().integer("block_size", 0) != 0) throw Error("scales by blocks are not supported, expected one an axis");
  return along_axis(node, {tensor_of(node.in(1), "the scale")});
}

/// (x - zero) * scale. The result keeps the name of the weight.
std::vector<Known> dequantize(const FoldNode& node) {
  const Known& x = node.in(0);
  const Known scale = scale_of(node);
  Known y{tensor_of(x, "the input").to(DType::f64)};
  if (node.has(2)) y = combine(node, y, along_axis(node, node.in(2)), DType::f64, Sub());
  y = combine(node, y, scale, DType::f32, Mul());
  y.name = x.name;
  return {y};
}

/// round(x / scale) + zero, limited to what the zero point's type holds. The result keeps the name of the weight.
std::vector<Known> quantize(const FoldNode& node) {
  const Known& x = node.in(0);
  const Tensor zero = node.has(2) ? tensor_of(node.in(2), "the zero point") : Tensor(DType::u8, Shape{});
  const QuantizedRange range = quantized_range(zero.type(), node.attributes());
  Known y = combine(node, {tensor_of(x, "the input")}, scale_of(node), DType::f64, Div());
  for (double& element : y.value.mutable_values<double>()) element = std::nearbyint(element);
  y = combine(node, y, along_axis(node, {zero}), DType::f64, Add());
  for (double& element : y.value.mutable_values<double>())
    element = std::clamp(element, static_cast<double>(range.least), static_cast<double>(range.most));
  return {{converted(y.value, range.type), std::nullopt, x.name}};
}

/// Clip's limits are inputs for whole numbers.
std::vector<Known> clip(const FoldNode& node) {
  if (node.attributes().has("min") || node.attributes().has("max")) throw Error("limits as attributes, expected inputs (opset 11)");
  Known y = node.in(0);
  const DType type = y.value.type();
  if (node.has(1)) y = combine(node, y, node.in(1), type, Fixed<Larger>());
  if (node.has(2)) y = combine(node, y, node.in(2), type, Fixed<Smaller>());
  y.name = node.in(0).name;
  return {y};
}

}  // namespace

std::span<const FoldRow> quantize_folds() {
  static constexpr FoldRow rows[] = {{"Clip", clip}, {"DequantizeLinear", dequantize}, {"QuantizeLinear", quantize}};
  return rows;
}

QuantizedRange quantized_range(DType zero_point, const Attributes& attributes) {
  const auto asked = static_cast<ElementType>(attributes.integer("output_dtype", 0));
  DType type = zero_point;
  if (asked == ElementType::uint8) type = DType::u8;
  if (asked == ElementType::int8) type = DType::i8;
  const bool known = asked == ElementType::undefined || asked == ElementType::uint8 || asked == ElementType::int8;
  if (!known) throw Error("attribute 'output_dtype' is {}, expected int8 or uint8", name(asked));
  if (type != DType::u8 && type != DType::i8) throw Error("the zero point has neither of the types int8 and uint8");
  return type == DType::u8 ? QuantizedRange{type, 0, 255} : QuantizedRange{type, -128, 127};
}

}  // namespace safer::onnx
