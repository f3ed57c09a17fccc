#pragma once

#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

/// Which operands of a matrix product are read transposed (their last two axes swapped).
struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};

/// c = a b over the last two axes; the axes before them are broadcast as numpy does.
///   a: [..., m, k]   b: [..., k, n]   c: [..., m, n]
/// The batch axis must be one of the leading axes. Where b is a matrix that all samples share (and a is not transposed), this is
/// a linear layer without bias and is recorded as one. Throws Error when the shapes do not fit.
Var matmul(Var a, Var b, MatmulOptions options = {}, std::string_view name = {});

}  // namespace safer
