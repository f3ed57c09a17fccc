#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// sum += g
void fold_gradient(double* sum, const float* w, const float* g, std::int64_t n);
/// sum += g^2
void fold_gradient_square(double* sum, const float* w, const float* g, std::int64_t n);

}  // namespace safer
