#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// The geometric mean of how far the probabilities move while a layer loses its weights (ablation, 12 parts), while normal noise of
/// up to the size of the largest is added to them (7 parts), and while impulses are (1 part): the default of the `recommended`
/// preset, derived in docs/default-criterion.md. A number of the layer, which every reduction leaves as it is.
extern const Criterion perturbation_criterion;

}  // namespace safer
