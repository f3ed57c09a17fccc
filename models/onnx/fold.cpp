#include "models/onnx/fold.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"

namespace safer::onnx {

const Known& FoldNode::in(std::size_t i) const {
  if (!has(i)) throw Error("input {} is missing", i);
  return *inputs[i];
}

std::vector<std::int64_t> FoldNode::integers(std::size_t i, std::string_view attribute) const {
  return has(i) ? integers_of(in(i), attribute) : attributes().integers(attribute);
}

Tensor FoldNode::allocate(DType type, const Shape& shape) const {
  if (shape.size() > budget)
    throw Error("a constant of shape {} would be computed, with far more elements than the file holds", shape);
  budget -= shape.size();
  return Tensor(type, shape);
}

Fold find_fold(std::string_view op) {
  for (const auto rows : {layout_folds(), arithmetic_folds(), elementwise_folds(), quantize_folds()})
    if (const auto found = std::ranges::find(rows, op, &FoldRow::op); found != rows.end()) return found->fold;
  return nullptr;
}

std::vector<std::string_view> folded_operators() {
  std::vector<std::string_view> all;
  for (const auto rows : {layout_folds(), arithmetic_folds(), elementwise_folds(), quantize_folds()})
    for (const FoldRow& row : rows) all.push_back(row.op);
  return all;
}

Tensor take(const FoldNode& node, const Tensor& x, const StridedView& view) {
  Tensor result = node.allocate(x.type(), view.shape);
  const std::size_t item = size_of(x.type());
  std::byte* to = result.size() ? result.mutable_raw() : nullptr;
  const std::byte* from = x.raw();
  each_element(view, [&](std::int64_t source) {
    std::memcpy(to, from + static_cast<std::size_t>(source) * item, item);
    to += item;
  });
  return result;
}

}  // namespace safer::onnx
