#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// Guided integrated gradients: minus the integral of the mean gradient along a GuidedPath (guided_path.h) on which the weights
/// shrink to 0, as SAfER describes it, those with the smallest gradients first; the reference implementation walks the other way,
/// which is another path. One path for a weight tensor (all of them together: `joint`), driven by the mean over samples: its sum
/// tends to E[f(W)] - E[f(0)] with the number of steps.
extern const Criterion gig_criterion;

/// The share of the weights that one round of a step may move, and how far a weight may be ahead of the straight path or behind it,
/// as a share of its way. The authors' 0.02 asks for 50 steps or more, this does with fewer.
constexpr double guided_fraction = 0.25, guided_distance = 0.1;

}  // namespace safer
