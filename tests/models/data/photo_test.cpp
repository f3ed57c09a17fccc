#include "models/data/photo.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/npy.h"

using namespace safer;

namespace {

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden/images";

constexpr PhotoSize resize(std::int64_t shorter, ImageExtent crop = {}) {
  return {.least = shorter, .most = shorter, .crop = crop};
}

Tensor fit(const Tensor& photo, const PhotoSize& size) {
  const ImageExtent extent = fitted_extent({photo.shape()[0], photo.shape()[1]}, size, "photo");
  Tensor planes(DType::f32, {3, extent.height, extent.width});
  fit_photo(photo, size, "photo", planes.mutable_values<float>());
  return planes;
}

/// Pixel (y, x) of channel c has the value 50 c + 7 y + x.
Tensor slopes(std::int64_t height, std::int64_t width) {
  Tensor photo(DType::u8, {height, width, 3});
  for (std::int64_t i = 0; i < photo.size(); ++i)
    photo.mutable_values<std::uint8_t>()[static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(50 * (i % 3) + 7 * (i / 3 / width) + i / 3 % width);
  return photo;
}

float at(const Tensor& planes, std::int64_t c, std::int64_t y, std::int64_t x) {
  return planes.values<float>()[static_cast<std::size_t>((c * planes.shape()[1] + y) * planes.shape()[2] + x)];
}

}  // namespace

TEST_CASE("photo: resized as PyTorch does with antialiasing") {
  const Tensor photo = read_npy(golden / "rgb.npy");
  for (const std::int64_t shorter : {8, 24}) {
    CAPTURE(shorter);
    const Tensor found = fit(photo, resize(shorter));
    const Tensor expected = read_npy(golden / (shorter < 19 ? "resized_smaller.npy" : "resized_larger.npy"));
    REQUIRE(found.shape() == expected.shape());
    for (std::size_t i = 0; i < expected.values<float>().size(); ++i)
      CHECK(std::abs(found.values<float>()[i] - expected.values<float>()[i]) < 1e-3f);
  }
}

TEST_CASE("photo: a crop of a resized photo is that part of it") {
  const Tensor photo = read_npy(golden / "rgb.npy");
  const Tensor whole = fit(photo, resize(24)), part = fit(photo, resize(24, {11, 17}));
  REQUIRE(whole.shape() == Shape{3, 24, 36});
  REQUIRE(part.shape() == Shape{3, 11, 17});
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 11; ++y)
      for (int x = 0; x < 17; ++x) CHECK(at(part, c, y, x) == at(whole, c, y + 6, x + 9));
}

TEST_CASE("photo: without resizing the pixels stay what they are; the crop's offset is rounded down") {
  const Tensor photo = slopes(9, 12);
  const Tensor whole = fit(photo, {}), crop = fit(photo, {.crop = {4, 5}});
  REQUIRE(whole.shape() == Shape{3, 9, 12});
  REQUIRE(crop.shape() == Shape{3, 4, 5});
  for (int c = 0; c < 3; ++c)
    for (int y = 0; y < 9; ++y)
      for (int x = 0; x < 12; ++x) {
        const auto value = static_cast<float>(50 * c + 7 * y + x);
        CHECK(at(whole, c, y, x) == value);
        if (y >= 2 && y < 6 && x >= 3 && x < 8) CHECK(at(crop, c, y - 2, x - 3) == value);
      }
}

TEST_CASE("photo: what a network usually reads") {
  const PhotoSize imagenet = usual_photo_size({1, 3, 224, 224});
  CHECK(imagenet == PhotoSize{.least = 224, .most = 256, .crop = {224, 224}});
  CHECK(usual_photo_size({1, 3, 20, 30}) == PhotoSize{.crop = {20, 30}});
  for (const Shape& shape : {Shape{1, 1, 28, 28}, Shape{1, 2}, Shape{1, 28, 28, 3}}) CHECK(usual_photo_size(shape) == PhotoSize{});
  // Photos in between are only cropped.
  const PhotoSize small = {.least = 6, .most = 8, .crop = {6, 6}};
  CHECK(at(fit(slopes(7, 9), small), 0, 0, 0) == 1);
  CHECK(fitted_extent({100, 300}, {.least = 6, .most = 8}, "photo") == ImageExtent{8, 24});
  CHECK(fitted_extent({5, 3}, {.least = 6, .most = 8}, "photo") == ImageExtent{10, 6});
}

TEST_CASE("photo: refuses what the crop does not fit into, and what becomes too large") {
  const auto refuses = [](const ImageExtent& photo, const PhotoSize& size, const std::string& message) {
    CHECK_THROWS_WITH_AS(fitted_extent(photo, size, "x.png"), message.c_str(), Error);
  };
  const std::string advice = "; give resize=N, the shorter side before the crop";
  refuses({200, 180}, {.crop = {224, 224}}, "x.png: 180x200 pixels, less than the crop of 224x224" + advice);
  refuses({90, 100}, resize(45, {48, 48}), "x.png: 100x90 pixels, resized to 50x45, less than the crop of 48x48" + advice);
  refuses({1, 60000}, resize(1000), "x.png: resized to 60000000x1000 pixels, expected at most 67108864 of them");
}
