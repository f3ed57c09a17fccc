#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// How far the loss is bent along a layer, times how large its weights are: the second order of the loss under noise in proportion
/// to their mean square. A number of the layer, which every reduction leaves as it is.
extern const Criterion hessian_trace_criterion;

}  // namespace safer
