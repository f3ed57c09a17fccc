#pragma once

#include "criteria/relevance/probe.h"

namespace safer {

/// Probe::straight_path: gradients at lambda W, lambda = (k + 1/2) / steps. Midpoints avoid lambda = 0, where whatever follows a
/// weight of zeros is at its kink, and integrate with an error of O(1 / steps^2) where the target is smooth.
void sweep_straight_path(const SweepContext& context);

/// Probe::path_changes: IDGI's sum (idgi.h) over the steps of lambda W, lambda = 0, 1 / steps, ..., 1.
void sweep_path_changes(const SweepContext& context);

/// Probe::guided_path: minus the attribution of a GuidedPath from W to 0, driven by the gradient of the mean target.
void sweep_guided_path(const SweepContext& context);

}  // namespace safer
