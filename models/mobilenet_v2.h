#pragma once

#include "engine/tape/tape.h"

namespace safer {

/// MobileNetV2 (Sandler et al. 2018, table 2) of width 1, for x: [N, 3, H, W]: inverted residual blocks, which expand the channels
/// with a 1x1 convolution, filter each with a 3x3 one, and project them to few again without an activation. Logits: [N, 1000].
///
/// As torchvision builds it, with batch norms and symmetric padding, and with its names.
Var mobilenet_v2(Var x);
/// As TensorFlow pads it, with the batch norms folded into weights and biases.
Var mobilenet_v2_folded(Var x);

}  // namespace safer
