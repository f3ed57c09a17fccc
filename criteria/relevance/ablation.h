#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// How far the probabilities move while a layer's weights shrink to 0. A number of the layer, which every reduction leaves as it
/// is.
extern const Criterion ablation_criterion;

}  // namespace safer
