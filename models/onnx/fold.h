#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "models/onnx/attributes.h"
#include "models/onnx/known.h"

/// Evaluation of what does not depend on the network's input. Exporters write much of it: shapes that are taken apart, computed
/// with and put together again, weights in another layout, quantized weights.
namespace safer::onnx {

/// A node all of whose inputs are known.
struct FoldNode {
  const Node& node;
  std::span<const Known* const> inputs;  // nullptr: left out
  std::int64_t& budget;                  // elements that all folded results together may still have

  Attributes attributes() const { return Attributes(node); }
  bool has(std::size_t i) const { return i < inputs.size() && inputs[i]; }
  /// Throws Error when the input is left out.
  const Known& in(std::size_t i) const;
  /// Integers that newer opsets give as input `i` and older ones as an attribute; empty when neither is there.
  std::vector<std::int64_t> integers(std::size_t i, std::string_view attribute) const;
  /// A zero tensor. Throws Error when the file's tensors would become far larger than the file.
  Tensor allocate(DType type, const Shape& shape) const;
};

using Fold = std::vector<Known> (*)(const FoldNode&);
/// What evaluates an operator of ONNX's own domain; nullptr: nothing does.
Fold find_fold(std::string_view op);

/// The names of the operators that can be evaluated.
std::vector<std::string_view> folded_operators();

struct FoldRow {
  std::string_view op;
  Fold fold;
};
std::span<const FoldRow> layout_folds();       // fold_layout.cpp: elements are moved
std::span<const FoldRow> arithmetic_folds();   // fold_arithmetic.cpp: sums, products and comparisons of several
std::span<const FoldRow> elementwise_folds();  // fold_elementwise.cpp: functions of single elements
std::span<const FoldRow> quantize_folds();     // fold_quantize.cpp: floats and the whole numbers that stand for them

/// The elements of x that the view names.
Tensor take(const FoldNode& node, const Tensor& x, const StridedView& view);

}  // namespace safer::onnx
