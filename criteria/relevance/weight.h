#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = w. Free, but not invariant where a network is: with ReLU, c W_l and W_{l+1} / c compute the same.
extern const Criterion weight_criterion;

}  // namespace safer
