#pragma once

#include <cstdint>

#include "engine/tape/tape.h"

namespace safer {

/// Whose names the parameters have: of timm's VisionTransformer or torchvision's. The networks are the same.
enum class VitNames { timm, torchvision };

/// The Vision Transformer (Dosovitskiy et al. 2021) for x: [N, 3, H, W]: patches become tokens, a class token is put before them
/// and learned positions are added; pre-norm blocks of attention and a GELU layer of width 4 d; the class token is classified.
struct VitOptions {
  std::int64_t patch = 16;  // rows and columns, divides those of x
  std::int64_t width = 192;
  std::int64_t depth = 12;
  int heads = 3;
  std::int64_t classes = 1000;
  VitNames names = VitNames::timm;
};
/// The logits [N, classes]. Throws Error when sizes do not divide.
Var vit(Var x, const VitOptions& options = {});

inline Var vit_tiny(Var x) { return vit(x); }
inline Var vit_b_16(Var x, VitNames names) { return vit(x, {.width = 768, .heads = 12, .names = names}); }

}  // namespace safer
