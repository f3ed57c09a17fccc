#pragma once

#include <span>
#include <string_view>

#include "models/onnx/node_import.h"

namespace safer::onnx {

/// An operator of ONNX's own domain that a network may compute: those that a file merely computes constants with are in fold.h.
struct Operator {
  std::string_view name;
  Import import;
};

// One table a family, each beside its functions.
std::span<const Operator> activation_operators();
std::span<const Operator> conv_operators();
std::span<const Operator> elementwise_operators();
std::span<const Operator> linear_operators();
std::span<const Operator> norm_operators();
std::span<const Operator> pad_operators();
std::span<const Operator> pool_operators();
std::span<const Operator> quantize_operators();
std::span<const Operator> reduce_operators();
std::span<const Operator> resize_operators();
std::span<const Operator> shape_operators();

/// nullptr when there is none of this name.
const Operator* find_operator(std::string_view name);
/// All names, in alphabetical order.
std::vector<std::string_view> operator_names();

}  // namespace safer::onnx
