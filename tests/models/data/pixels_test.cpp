#include "models/data/pixels.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/error.h"

using namespace safer;

TEST_CASE("pixels: each channel is scaled by its own mean and deviation") {
  const std::vector<float> pixels = {0, 255, 51, 102, 127.5f, 255};
  const auto scaled = [&](const PixelScaling& scaling) {
    Tensor images = Tensor::of<float>({1, 3, 1, 2}, pixels);
    scale_pixels(images, scaling);
    return std::vector<float>(images.values<float>().begin(), images.values<float>().end());
  };
  CHECK(scaled(raw_pixels) == pixels);
  const std::vector<float> symmetric = scaled(symmetric_pixels), imagenet = scaled(imagenet_pixels);
  const double mean[] = {0.485, 0.456, 0.406}, deviation[] = {0.229, 0.224, 0.225};
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    CHECK(symmetric[i] == doctest::Approx(double{pixels[i]} / 127.5 - 1).epsilon(1e-6));
    CHECK(imagenet[i] == doctest::Approx((double{pixels[i]} / 255 - mean[i / 2]) / deviation[i / 2]).epsilon(1e-6));
  }
}

TEST_CASE("pixels: refuses what has no three channels") {
  for (const Shape& shape : {Shape{2, 1, 4, 4}, Shape{3}, Shape{4, 4, 3}}) {
    Tensor images(DType::f32, shape);
    CHECK_THROWS_WITH_AS(scale_pixels(images, symmetric_pixels),
                         fmt::format("pixels: images have shape {}, expected [n, 3, ...]", shape).c_str(), Error);
  }
}
