#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// How far the probabilities move when a weight changes in proportion to its size. Its norm over a layer is the root mean square of
/// the change, to first order, under noise of the weights' own size on that layer: docs/default-criterion.md.
extern const Criterion weight_x_jacobian_criterion;

}  // namespace safer
