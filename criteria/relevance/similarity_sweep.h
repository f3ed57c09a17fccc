#pragma once

#include "criteria/relevance/probe.h"

namespace safer {

/// Compares what each layer reads, X, with what it gives, Y (what the next layer reads: behind its own non-linearity), by the Gram
/// matrices XX' and YY' of a few samples at a time: HSIC(X, Y), HSIC(X, X) and HSIC(Y, Y) by the unbiased estimate of Song et al.
/// 2012, eq. 5, summed over batches of samples weighed by their size (Nguyen et al. 2021). First those of X and Y for all layers of
/// a weight tensor, then those of X, then those of Y. A layer is looked at where its weight is read first; one
/// that leads nowhere counts as if it changed nothing, and a batch with a logit that is NaN as no number.
void sweep_similarity(const SweepContext& context);

}  // namespace safer
