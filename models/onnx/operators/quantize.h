#pragma once

#include "models/onnx/node_import.h"

namespace safer::onnx {

/// Clip of an input that is quantized: PyTorch writes so the whole numbers of 7 bits.
std::vector<Value> clip_quantized(const NodeImport& node);

}  // namespace safer::onnx
