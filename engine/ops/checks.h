#pragma once

#include <string>
#include <string_view>

#include "engine/tape/op.h"

/// What the ops' infer() functions check in the same words.
namespace safer {

/// A type for messages: "[N, 3, 32, 32]", "[4N, 16]" where a sample owns 4 rows, "[10, 3]" without a batch axis.
std::string text(const ValueType& type);
/// Throws Error unless the elements are real numbers, or i64.
void require_reals(std::string_view op, const ValueType& x);
void require_indices(std::string_view op, const ValueType& x);

}  // namespace safer
