#include "models/onnx/operators/quantize.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/quantize.h"
#include "models/onnx/operators.h"
#include "models/onnx/quantized.h"

namespace safer::onnx {
namespace {

/// What QuantizeLinear and DequantizeLinear say alike; without a zero point it is 0.
QuantizationGrid grid_of(const NodeImport& node) {
  if (node.attributes().integer("block_size", 0) != 0) throw Error("scales by blocks are not supported, expected one an axis");
  const Tensor scale = node.constant(1, "the scale").to(DType::f32);
  QuantizationGrid grid;
  grid.scale.assign(scale.values<float>().begin(), scale.values<float>().end());
  grid.zero_point.assign(grid.scale.size(), 0);
  if (node.has(2)) grid.zero_point = node.integers(2, "the zero point");
  grid.axis = grid.scale.size() > 1 ? static_cast<int>(node.attributes().integer("axis", 1)) : 0;
  return grid;
}

/// The reals that are left when the input has been quantized.
Value on_grid(const NodeImport& node, Var x, const QuantizationGrid& grid) {
  Value y = node.like(0, fake_quantize(x, grid));
  y.quantized = std::make_shared<const QuantizationGrid>(grid);
  return y;
}

std::vector<Value> quantize(const NodeImport& node) {
  const DType zero_type = node.has(2) ? node.constant(2, "the zero point").type() : DType::u8;
  const QuantizedRange range = quantized_range(zero_type, node.attributes());
  QuantizationGrid grid = grid_of(node);
  grid.least = range.least;
  grid.most = range.most;
  return {on_grid(node, grid.scale.size() > 1 ? node.var(0) : node.rows(0), grid)};
}

/// What QuantizeLinear left is read as it is: it holds reals already.
std::vector<Value> dequantize(const NodeImport& node) {
  Value x = node.value(0);
  QuantizationGrid grid = grid_of(node);
  if (!x.quantized) throw Error("its input is neither from a QuantizeLinear nor a constant that fits scale and zero point");
  grid.least = x.quantized->least;
  grid.most = x.quantized->most;
  if (grid != *x.quantized) throw Error("scale, zero point or axis differ from those of the QuantizeLinear before it");
  x.quantized = nullptr;
  return {x};
}

}  // namespace

std::vector<Value> clip_quantized(const NodeImport& node) {
  const Value& x = node.value(0);
  if (node.opset() < 11) throw Error("its input is quantized, which only newer opsets than {} can limit", node.opset());
  QuantizationGrid grid = *x.quantized;
  const auto limit = [&](std::size_t i, std::int64_t without) {
    if (!node.has(i)) return without;
    const std::vector<std::int64_t> given = node.integers(i, "a limit");
    if (given.size() != 1) throw Error("a limit is {} numbers, expected one", given.size());
    return given[0];
  };
  grid.least = std::max(grid.least, limit(1, grid.least));
  grid.most = std::min(grid.most, limit(2, grid.most));
  return {on_grid(node, x.var, grid)};
}

namespace {}  // namespace

std::span<const Operator> quantize_operators() {
  static constexpr Operator rows[] = {{"DequantizeLinear", dequantize}, {"QuantizeLinear", quantize}};
  return rows;
}

}  // namespace safer::onnx
