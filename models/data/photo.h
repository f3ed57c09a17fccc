#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/tensor.h"
#include "models/formats/image.h"

namespace safer {

/// How photos of any size become inputs of one: the shorter side is brought to least..most pixels, then the centre is cropped.
struct PhotoSize {
  std::int64_t least = 0, most = 0;  // 0: photos keep their size
  ImageExtent crop = {};             // {0, 0}: they are not cropped
  bool operator==(const PhotoSize&) const = default;
};

/// For a network that reads samples of this shape. [1, 3, n, n]: photos whose shorter side has n to 8/7 n pixels are only cropped
/// (n = 224: up to 256, the size before the crop that most networks of ImageNet were tested with), others first resized to the
/// nearer end. [1, 3, h, w]: a crop. Photos stay as they are for any other shape.
PhotoSize usual_photo_size(const Shape& sample);

/// The extent of what fit_photo() makes of a photo. Throws Error when the crop is larger; `name` stands for the photo in the
/// message.
ImageExtent fitted_extent(const ImageExtent& photo, const PhotoSize& size, std::string_view name);

/// A photo u8 [height, width, 3], resized and cropped: planes [3, height, width] of pixels 0..255. Resized as by Pillow and
/// torchvision with their bilinear filter, which averages over all pixels that fall onto one when the photo shrinks; but values
/// are not rounded to whole numbers. The longer side is rounded down, and so is half of what the crop cuts off.
void fit_photo(const Tensor& photo, const PhotoSize& size, std::string_view name, std::span<float> planes);

}  // namespace safer
