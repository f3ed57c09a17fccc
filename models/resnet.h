#pragma once

#include <array>
#include <cstdint>

#include "engine/tape/tape.h"

namespace safer {

/// The residual networks for ImageNet of He et al. 2016 (table 1) as torchvision builds them, for x: [N, 3, H, W]: the stride of a
/// bottleneck is in its 3x3 convolution. Parameters have torchvision's names. Logits: [N, 1000].
struct ResnetOptions {
  std::array<std::int64_t, 4> blocks = {2, 2, 2, 2};  // of each group
  bool bottleneck = false;                            // blocks 1x1, 3x3, 1x1 with four times the channels, instead of 3x3, 3x3
};
Var resnet(Var x, const ResnetOptions& options);

inline Var resnet18(Var x) { return resnet(x, {}); }
inline Var resnet34(Var x) { return resnet(x, {.blocks = {3, 4, 6, 3}}); }
inline Var resnet50(Var x) { return resnet(x, {.blocks = {3, 4, 6, 3}, .bottleneck = true}); }

}  // namespace safer
