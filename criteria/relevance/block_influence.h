#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// How little what a layer gives resembles what it reads. ShortGPT takes one minus their cosine, which needs blocks that keep the
/// size; here it is one minus the cosine of their centred Gram matrices of samples (linear CKA), which any layer has. A number of
/// the layer, which every reduction leaves as it is; not a number with fewer than four samples. A ratio of sums, which is
/// not resampled.
extern const Criterion block_influence_criterion;

}  // namespace safer
