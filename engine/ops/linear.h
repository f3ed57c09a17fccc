#pragma once

#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

/// How a linear layer's weight is stored: [out, in] as in PyTorch, or [in, out] as in an ONNX MatMul.
enum class WeightLayout { out_in, in_out };

/// y = x W^T + b.   x: [..., in]   W: [out, in] (or [in, out])   b: [out] or none   y: [..., out]
/// x may have any number of leading axes, the batch axis anywhere among them; W and b are shared by all samples. The node is
/// called `name`, or when that is empty like the weight without its ".weight". Throws Error when the shapes do not fit.
Var linear(Var x, Var W, Var b = {}, std::string_view name = {}, WeightLayout layout = WeightLayout::out_in);

}  // namespace safer
