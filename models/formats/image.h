#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "engine/tensor.h"

namespace safer {

/// Images of more pixels are refused.
constexpr std::int64_t most_pixels = std::int64_t{1} << 26;

struct ImageExtent {
  std::int64_t height = 0, width = 0;  // pixels
  bool operator==(const ImageExtent&) const = default;
};

/// A JPEG (baseline or progressive) or PNG file as u8 [height, width, 3], red, green, blue: grey is repeated, alpha is dropped, of
/// 16 bits the upper 8 are kept. Notes in the file on how to turn or colour the image are not followed. Throws Error when it is
/// anything else, is truncated or damaged, has more than most_pixels, or too many for its number of bytes; the last two before
/// memory is allocated for them.
Tensor read_image(const std::filesystem::path& path);
/// The same from memory; `name` stands for the file in messages.
Tensor parse_image(std::span<const std::byte> bytes, std::string_view name);
/// What the file's header says of its size, checked likewise.
ImageExtent image_extent(const std::filesystem::path& path);

}  // namespace safer
