#pragma once

#include "criteria/relevance/probe.h"

namespace safer {

/// Hutchinson's estimate of the trace of each layer's block of the Hessian H of the target: for some vectors v of random signs on
/// all weights W at once, each layer gets its part of v' H v times the mean square of its weights, summed over samples and vectors.
/// H v is the central difference of gradients at W +- eps v, |eps v| = |W| / 10^6, in double by the reference kernels.
void sweep_curvature(const SweepContext& context);

}  // namespace safer
