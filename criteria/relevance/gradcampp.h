#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi = E[g^2 / (2 g^2 + w g^3)] = E[1 / (2 + w g)] over each sample's own gradient (paper), or weighted by |g| as the ReLU(g) of
/// Grad-CAM++ weights it (recommended). Guards: a sample with g = 0 adds 0, and near the pole at w g = -2 the denominator keeps its
/// sign and a magnitude of 1e-6. Where all |w g| are small phi is about 1/2 - E[w g] / 4, so that larger w g means less relevant.
extern const Criterion gradcampp_criterion;

}  // namespace safer
