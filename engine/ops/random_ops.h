#pragma once

#include "engine/tape/tape.h"

/// Regularisers that draw random numbers in training. What a sample meets is a function of the run's seed and step, the node's
/// name, the sample's number and the element: not of the batch it comes in, nor of the number of threads. The reverse sweep draws
/// the same numbers again instead of storing them. Both throw Error when x holds indices.
namespace safer {

/// In training 0 with probability p and x / (1 - p) otherwise, for each element on its own (Srivastava et al. 2014, scaled as usual
/// today); x in inference. A value that all samples share is dropped alike for all. Throws Error unless 0 <= p < 1.
Var dropout(Var x, double p);

/// In training x with probability `survival` and 0 otherwise; survival * x in inference (Huang et al. 2016). One draw for the whole
/// batch, the same for all batches of a step, or one for each sample. Throws Error unless 0 <= survival <= 1.
Var stochastic_depth(Var x, double survival, bool per_sample = false);

}  // namespace safer
