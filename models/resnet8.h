#pragma once

#include <cstdint>

#include "engine/tape/tape.h"

namespace safer {

/// The residual network of MLPerf Tiny's image classification (Banbury et al. 2021), for x: [N, 3, 32, 32]: a stem and three stacks
/// of two 3x3 convolutions, of which the second and third halve the image and double the channels. TensorFlow's padding. Logits:
/// [N, classes].
struct Resnet8Options {
  std::int64_t width = 16;  // channels of the first stack
  std::int64_t classes = 10;
};
Var resnet8(Var x, const Resnet8Options& options = {});

}  // namespace safer
