#pragma once

#include <cstdint>

#include "models/onnx/attributes.h"

namespace safer::onnx {

/// The whole numbers that a type holds.
struct QuantizedRange {
  DType type = DType::u8;
  std::int64_t least = 0, most = 255;
};

/// What QuantizeLinear's results are: the zero point's type, or the one that the attribute output_dtype names. Throws Error for
/// others than int8 and uint8.
QuantizedRange quantized_range(DType zero_point, const Attributes& attributes);

}  // namespace safer::onnx
