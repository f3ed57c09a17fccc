#include "engine/ops/resize.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> resize_cases() {
  using enum ResizeCoordinates;
  struct Sizes {
    const char* label;
    Shape x;
    Pair size;
  };
  const Sizes all[] = {{"twice", {1, 2, 3, 4}, {6, 8}},
                       {"smaller", {1, 1, 7, 5}, {3, 2}},
                       {"one longer, one shorter", {1, 2, 3, 6}, {5, 4}},
                       {"from one pixel", {1, 2, 1, 1}, {2, 3}},
                       {"to one pixel", {1, 2, 4, 3}, {1, 1}},
                       {"two images a sample", {2, 1, 2, 2}, {3, 3}}};
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    for (const auto coordinates : {half_pixel, pytorch_half_pixel, align_corners, asymmetric})
      for (const auto mode : {ResizeMode::nearest, ResizeMode::bilinear})
        cases.push_back({.op = "resize",
                         .label = fmt::format("{}, coordinates {}, {}", sizes.label, static_cast<int>(coordinates),
                                              mode == ResizeMode::nearest ? "nearest" : "bilinear"),
                         .record = [=](Recording& in) {
                           return resize(in.input("x", sizes.x), sizes.size, {.mode = mode, .coordinates = coordinates});
                         }});
  return cases;
}

namespace {

using Values = std::vector<double>;
using enum ResizeCoordinates;

/// One row, 0 1 2 ..., resized to `columns`: bilinear shows where each output lies.
Values resized_row(std::int64_t in, std::int64_t columns, ResizeOptions options) {
  ByHand hand;
  const Var x = hand.input({1, 1, 1, in}, counted(in));
  return hand.value(resize(x, {1, columns}, options));
}
Values bilinear(std::int64_t in, std::int64_t columns, ResizeCoordinates coordinates) {
  return resized_row(in, columns, {.mode = ResizeMode::bilinear, .coordinates = coordinates});
}

}  // namespace

TEST_CASE("resize: where outputs lie, by each convention") {
  CHECK(bilinear(4, 8, half_pixel) == Values{0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3});  // the ends are held
  CHECK(bilinear(3, 5, align_corners) == Values{0, 0.5, 1, 1.5, 2});
  CHECK(bilinear(4, 8, asymmetric) == Values{0, 0.5, 1, 1.5, 2, 2.5, 3, 3});
  CHECK(bilinear(8, 4, half_pixel) == Values{0.5, 2.5, 4.5, 6.5});
  CHECK(bilinear(8, 1, half_pixel) == Values{3.5});
  CHECK(bilinear(8, 1, pytorch_half_pixel) == Values{0});
  CHECK(bilinear(8, 2, pytorch_half_pixel) == bilinear(8, 2, half_pixel));
  CHECK(bilinear(8, 1, align_corners) == Values{0});
  CHECK(bilinear(1, 3, align_corners) == Values{0, 0, 0});
}

TEST_CASE("resize: nearest pixels by each rounding") {
  // half_pixel, 4 to 2: outputs lie at 0.5 and 2.5.
  const auto nearest = [](ResizeRounding rounding) { return resized_row(4, 2, {.rounding = rounding}); };
  CHECK(nearest(ResizeRounding::round_prefer_floor) == Values{0, 2});
  CHECK(nearest(ResizeRounding::round_prefer_ceil) == Values{1, 3});
  CHECK(nearest(ResizeRounding::floor) == Values{0, 2});
  CHECK(nearest(ResizeRounding::ceil) == Values{1, 3});
  // asymmetric, 3 to 5: outputs lie at 0, 0.6, 1.2, 1.8, 2.4.
  const auto asymmetrically = [](ResizeRounding rounding) {
    return resized_row(3, 5, {.coordinates = asymmetric, .rounding = rounding});
  };
  CHECK(asymmetrically(ResizeRounding::floor) == Values{0, 0, 1, 1, 2});
  CHECK(asymmetrically(ResizeRounding::ceil) == Values{0, 1, 2, 2, 2});
  CHECK(asymmetrically(ResizeRounding::round_prefer_floor) == Values{0, 1, 1, 2, 2});
}

TEST_CASE("resize: a scale of its own instead of the sizes' ratio") {
  // ONNX: sizes are floor(in scale), places follow the scale. 4 by 0.6 gives 2, at o / 0.6.
  const Values own = resized_row(4, 2, {.mode = ResizeMode::bilinear, .coordinates = asymmetric, .column_scale = 0.6});
  CHECK(own[1] == doctest::Approx(1 / 0.6));
  CHECK(resized_row(4, 2, {.mode = ResizeMode::bilinear, .coordinates = asymmetric})[1] == 2);
}

TEST_CASE("resize: an image by hand, and infinities stay where they are when copied") {
  ByHand hand;
  const Var x = hand.input({1, 1, 2, 2}, {0, 4, 8, 20});
  CHECK(hand.value(resize(x, 3, {.mode = ResizeMode::bilinear, .coordinates = align_corners})) ==
        Values{0, 2, 4, 4, 8, 12, 8, 14, 20});
  const Var odd = hand.input({1, 1, 1, 2}, {infinity, 1});
  CHECK(hand.value(resize(odd, {1, 4})) == Values{infinity, infinity, 1, 1});
}

TEST_CASE("resize: what does not fit is refused") {
  Tape tape;
  const auto message = [&](const ValueType& type, Pair size, ResizeOptions options = {}) -> std::string {
    const Var x = tape.input("x" + std::to_string(tape.size()), type);
    try {
      resize(x, size, options, "resize");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  CHECK(message({{1, 3, 8}, 0}, 2) ==
        "node 'resize': resize: x is [N, 3, 8], expected [N, channels, rows, columns] with the batch first");
  CHECK(message({{1, 3, 8, 8}, 0}, {0, 4}) ==
        "node 'resize': resize: [N, 3, 8, 8] to 0 x 4 by scales 0 and 0; expected at least one pixel before and after, and no "
        "negative scale");
  CHECK(message({{1, 3, 8, 8}, 0}, 4, {.row_scale = -1}) ==
        "node 'resize': resize: [N, 3, 8, 8] to 4 x 4 by scales -1 and 0; expected at least one pixel before and after, and no "
        "negative scale");
}

}  // namespace safer::test
