#pragma once

#include <array>
#include <string_view>

#include "engine/tensor.h"

namespace safer {

/// What a network reads in place of the pixels 0..255 of an image's channels red, green and blue: (pixel - mean) / deviation.
struct PixelScaling {
  std::array<float, 3> mean = {0, 0, 0}, deviation = {1, 1, 1};
  bool operator==(const PixelScaling&) const = default;
};
/// The pixels as they are.
constexpr PixelScaling raw_pixels = {};
/// -1 to 1, as TensorFlow's MobileNets and timm's ViTs were trained.
constexpr PixelScaling symmetric_pixels = {{127.5f, 127.5f, 127.5f}, {127.5f, 127.5f, 127.5f}};
/// Mean 0 and deviation 1 over ImageNet's training images, with the constants that all of torchvision's networks use.
constexpr PixelScaling imagenet_pixels = {{255 * 0.485f, 255 * 0.456f, 255 * 0.406f}, {255 * 0.229f, 255 * 0.224f, 255 * 0.225f}};

/// 0 to 1.
constexpr PixelScaling unit_pixels = {{0, 0, 0}, {255, 255, 255}};

/// By the names that commands know them by.
struct NamedScaling {
  std::string_view name;
  PixelScaling scaling;
};
constexpr NamedScaling pixel_scalings[] = {
    {"raw", raw_pixels}, {"unit", unit_pixels}, {"symmetric", symmetric_pixels}, {"imagenet", imagenet_pixels}};

/// Scales images f32 [n, 3, ...] in place. Throws Error for another shape.
void scale_pixels(Tensor& images, const PixelScaling& scaling);

}  // namespace safer
