#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = E[g] (paper), which cancels where samples disagree, or the root mean square sqrt(E[g^2]) of each sample's own gradient
/// (recommended), which does not. Scales as 1 / c when a weight is rescaled by c.
extern const Criterion gradient_criterion;

}  // namespace safer
