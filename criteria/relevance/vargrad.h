#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = the variance over draws of noise on all weights, which are those of smoothgrad, of E[g(W + noise)]. The paper's variance
/// is over samples and noise; the part that samples alone explain ranks like the mean square of gradients. Divided by the number of
/// draws. In units of g^2: 0 where F is linear in the weights, sigma^2 sum_j H_ij^2 where it is quadratic with Hessian H.
extern const Criterion vargrad_criterion;

}  // namespace safer
