#include "engine/shape.h"

#include <doctest/doctest.h>

#include <limits>

#include "engine/error.h"

using namespace safer;

TEST_CASE("shape: sizes, products and text") {
  const Shape image{2, 3, 32, 16};
  CHECK(image.rank() == 4);
  CHECK(image.size() == 2 * 3 * 32 * 16);
  CHECK(image.size(1, 3) == 96);
  CHECK(image.size(2, 2) == 1);
  CHECK(image.str() == "[2, 3, 32, 16]");
  CHECK(Shape{}.size() == 1);
  CHECK(Shape{}.str() == "[]");
  CHECK(Shape{4, 0}.size() == 0);
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK(Shape{2, 3} != Shape{2, 3, 1});
}

TEST_CASE("shape: a shorter shape equals one that was never longer") {
  Shape shape{5};
  shape.push_back(7);
  CHECK(shape == Shape{5, 7});
}

TEST_CASE("shape: negative axes count from the end") {
  const Shape shape{2, 3, 4};
  CHECK(shape.axis(-1, "test") == 2);
  CHECK(shape.axis(0, "test") == 0);
  CHECK_THROWS_WITH_AS(shape.axis(3, "softmax"), "softmax: axis 3 is out of range for shape [2, 3, 4] (expected -3 to 2)", Error);
  CHECK_THROWS_AS(shape.axis(-4, "softmax"), Error);
}

TEST_CASE("shape: what cannot be a shape is refused") {
  CHECK_THROWS_WITH_AS((Shape{2, -1}), "shape: axis 1 has the negative size -1", Error);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: 9 axes, but at most 8 are supported", Error);
  constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  CHECK_THROWS_AS((Shape{huge, 2}), Error);
  CHECK_THROWS_AS((Shape{huge, 0, 2}), Error);  // no element, but offsets would still overflow
  Shape full{1, 1, 1, 1, 1, 1, 1, 1};
  CHECK_THROWS_AS(full.push_back(1), Error);
}
