#pragma once

#include "engine/tape/tape.h"

namespace safer {

/// MobileNetV1 (Howard et al. 2017, table 1) of width 0.75 as Keras builds it, for x: [N, 3, H, W]: a convolution, then 13 pairs of
/// depthwise and 1x1 convolutions, each with batch norm and ReLU6. TensorFlow's padding. Logits: [N, 1000].
Var mobilenet_v1_075(Var x);

}  // namespace safer
