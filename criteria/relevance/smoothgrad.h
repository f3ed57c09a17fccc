#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = the mean over draws of noise on all weights of E[g(W + noise)] (paper), or the root of the mean square over draws, which
/// signs cannot cancel (recommended). The draws are those of vargrad. Where the noise tends to 0, phi tends to E[g], or its
/// magnitude.
extern const Criterion smoothgrad_criterion;

}  // namespace safer
