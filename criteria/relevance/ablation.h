#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// How far the probabilities move while a layer loses its weights at random, a few of them to nearly all: b W, where b is 0 or 1
/// for each weight. A number of the layer, which every reduction leaves as it is.
extern const Criterion ablation_criterion;

}  // namespace safer
