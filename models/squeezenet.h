#pragma once

#include "engine/tape/tape.h"

namespace safer {

/// SqueezeNet 1.1 (Iandola et al. 2016; version 1.1 of the authors' repository) with torchvision's names, for x: [N, 3, H, W].
/// Logits: [N, 1000].
Var squeezenet1_1(Var x);

}  // namespace safer
