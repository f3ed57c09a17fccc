#pragma once

#include "models/onnx/pattern.h"

namespace safer::onnx {

/// The activation that a Mul or Div of two inputs ends: SiLU, hard swish, Mish, and GELU in both forms.
std::optional<Value> recognise_activation(const Pattern& pattern, const Node& node);

}  // namespace safer::onnx
