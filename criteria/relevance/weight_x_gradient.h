#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = w E[g] (paper) or |w| sqrt(E[g^2]) (recommended): to first order, what setting the weight to zero changes. Invariant under
/// function-preserving rescaling. In a chain of bias-free layers with ReLU, the sum of w g over any layer is F itself (Euler), so
/// the signed sum must never be what layers are ranked by.
extern const Criterion weight_x_gradient_criterion;

}  // namespace safer
