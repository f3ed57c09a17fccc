#include "models/data/pixels.h"

#include "engine/error.h"

namespace safer {

void scale_pixels(Tensor& images, const PixelScaling& scaling) {
  const Shape& shape = images.shape();
  const auto channels = static_cast<std::int64_t>(scaling.mean.size());
  if (shape.rank() < 2 || shape[1] != channels) throw Error("pixels: images have shape {}, expected [n, {}, ...]", shape, channels);
  if (scaling == raw_pixels) return;
  const auto places = static_cast<std::size_t>(shape.size(2, shape.rank()));
  const std::span<float> values = images.mutable_values<float>();
  for (std::size_t plane = 0; plane * places < values.size(); ++plane) {
    const float mean = scaling.mean[plane % scaling.mean.size()], deviation = scaling.deviation[plane % scaling.mean.size()];
    for (float& value : values.subspan(plane * places, places)) value = (value - mean) / deviation;
  }
}

}  // namespace safer
