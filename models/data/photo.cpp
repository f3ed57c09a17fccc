#include "models/data/photo.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"

namespace safer {
namespace {

ImageExtent resized_extent(const ImageExtent& photo, const PhotoSize& size) {
  const std::int64_t shorter = std::min(photo.height, photo.width);
  const std::int64_t wanted = size.most > 0 ? std::clamp(shorter, size.least, size.most) : shorter;
  return {photo.height * wanted / shorter, photo.width * wanted / shorter};
}

/// What a stretch of output pixels along one axis is made of: each of `count` consecutive input pixels with their weights.
struct Taps {
  struct Pixel {
    std::int64_t first = 0;
    std::size_t weights = 0, count = 0;  // where they are in Taps::weights
  };
  std::vector<Pixel> pixels;
  std::vector<float> weights;
};

/// A triangle around each output pixel's centre, as wide as the two output pixels beside it, or input pixels where these are
/// larger.
Taps triangles(std::int64_t in, std::int64_t out, std::int64_t begin, std::int64_t count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out), radius = std::max(scale, 1.0);
  Taps taps;
  for (std::int64_t i = begin; i < begin + count; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - radius + 0.5));
    const auto last = std::min<std::int64_t>(in, static_cast<std::int64_t>(centre + radius + 0.5));
    const auto weight = [&](std::int64_t at) {
      return std::max(0.0, 1 - std::abs((static_cast<double>(at) + 0.5 - centre) / radius));
    };
    double sum = 0;
    for (std::int64_t at = first; at < last; ++at) sum += weight(at);
    taps.pixels.push_back({first, taps.weights.size(), static_cast<std::size_t>(last - first)});
    for (std::int64_t at = first; at < last; ++at) taps.weights.push_back(static_cast<float>(weight(at) / sum));
  }
  return taps;
}

/// Row `from` [width, 3] with its pixels combined: to [pixels, 3].
void combine_columns(const Taps& columns, const std::uint8_t* from, float* to) {
  for (const Taps::Pixel& pixel : columns.pixels) {
    float sum[3] = {};
    const std::uint8_t* at = from + 3 * pixel.first;
    for (std::size_t k = 0; k < pixel.count; ++k, at += 3)
      for (std::size_t c = 0; c < 3; ++c) sum[c] += columns.weights[pixel.weights + k] * static_cast<float>(at[c]);
    to = std::ranges::copy(sum, to).out;
  }
}

/// Rows [count, width, 3] that begin at row `first` combined to pixel rows of planes [3, pixels, width].
void combine_rows(const Taps& rows, std::int64_t first, std::span<const float> from, std::size_t width, std::span<float> planes) {
  const std::size_t plane = rows.pixels.size() * width;
  for (std::size_t y = 0; y < rows.pixels.size(); ++y) {
    const Taps::Pixel& pixel = rows.pixels[y];
    for (std::size_t k = 0; k < pixel.count; ++k) {
      const float weight = rows.weights[pixel.weights + k];
      const float* const row = from.data() + (static_cast<std::size_t>(pixel.first - first) + k) * width * 3;
      for (std::size_t c = 0; c < 3; ++c) {
        float* const to = planes.data() + c * plane + y * width;
        for (std::size_t x = 0; x < width; ++x) to[x] = (k > 0 ? to[x] : 0) + weight * row[3 * x + c];
      }
    }
  }
}

}  // namespace

PhotoSize usual_photo_size(const Shape& sample) {
  if (sample.rank() != 4 || sample[1] != 3) return {};
  const ImageExtent crop{sample[2], sample[3]};
  if (crop.height != crop.width) return {.crop = crop};
  return {.least = crop.height, .most = crop.height * 8 / 7, .crop = crop};
}

ImageExtent fitted_extent(const ImageExtent& photo, const PhotoSize& size, std::string_view name) {
  const ImageExtent resized = resized_extent(photo, size);
  if (size.crop == ImageExtent{}) {
    if (resized.height > most_pixels / resized.width)
      throw Error("{}: resized to {}x{} pixels, expected at most {} of them", name, resized.width, resized.height, most_pixels);
    return resized;
  }
  if (resized.height < size.crop.height || resized.width < size.crop.width)
    throw Error("{}: {}x{} pixels{}, less than the crop of {}x{}; give resize=N, the shorter side before the crop", name,
                photo.width, photo.height, resized == photo ? "" : fmt::format(", resized to {}x{}", resized.width, resized.height),
                size.crop.width, size.crop.height);
  return size.crop;
}

void fit_photo(const Tensor& photo, const PhotoSize& size, std::string_view name, std::span<float> planes) {
  const ImageExtent found{photo.shape()[0], photo.shape()[1]}, resized = resized_extent(found, size);
  const ImageExtent wanted = fitted_extent(found, size, name);
  const Taps columns = triangles(found.width, resized.width, (resized.width - wanted.width) / 2, wanted.width);
  const Taps rows = triangles(found.height, resized.height, (resized.height - wanted.height) / 2, wanted.height);
  const std::int64_t first = rows.pixels.front().first;
  const std::int64_t last = rows.pixels.back().first + static_cast<std::int64_t>(rows.pixels.back().count);
  const auto width = static_cast<std::size_t>(wanted.width);
  std::vector<float> combined(static_cast<std::size_t>(last - first) * width * 3);
  for (std::int64_t y = first; y < last; ++y)
    combine_columns(columns, photo.values<std::uint8_t>().data() + y * found.width * 3,
                    combined.data() + static_cast<std::size_t>(y - first) * width * 3);
  combine_rows(rows, first, combined, width, planes);
}

}  // namespace safer
