#pragma once

#include <cstdint>

#include "engine/tape/tape.h"

namespace safer {

/// The residual networks for CIFAR-10 of He et al. 2016 (section 4.2), for x: [N, 3, 32, 32]: three groups of `blocks` blocks with
/// 16, 32 and 64 channels, 6 blocks + 2 layers in all. Shortcuts have no weights (option A): where the shape changes, they take
/// every second pixel and add channels of zeros. Logits: [N, 10].
Var cifar_resnet(Var x, std::int64_t blocks);

}  // namespace safer
