#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// Optimal Brain Damage with the Fisher information in place of the Hessian: twice the loss, to second order, of setting a weight
/// to 0. Over a layer, and up to a factor, that of noise in proportion to the weights (l1).
extern const Criterion weight_x_fisher_criterion;

}  // namespace safer
