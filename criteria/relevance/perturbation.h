#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// The geometric mean of how far the probabilities move while a layer loses its weights (ablation), and when they get noise of up
/// to the size of the largest, which counts a little less: the default of the `recommended` preset, derived in
/// docs/default-criterion.md. A number of the layer, which every reduction leaves as it is.
extern const Criterion perturbation_criterion;

}  // namespace safer
