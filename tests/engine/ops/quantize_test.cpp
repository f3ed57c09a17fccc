#include "engine/ops/quantize.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/golden/quantize_golden.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

/// Differences over whole steps of the grid are 1 where nothing is limited, as the straight-through derivative is; inputs keep
/// away from the limits by more than such a step.
std::vector<OpCase> quantize_cases() {
  const auto of = [](std::string label, const Shape& x, int batch_axis, const Draw& draw, const QuantizationGrid& grid) {
    return OpCase{.op = "fake_quantize",
                  .label = std::move(label),
                  .record = [=](Recording& r) { return fake_quantize(r.input("x", x, draw, batch_axis), grid); },
                  .step = 0.25};
  };
  const Draw within_and_beyond{-3, 3, {-2.25, -1, 0.875, 1.5}, 0.3};
  return {
      of("one scale, 3 rows a sample on axis 1", {2, 3, 3}, 1, within_and_beyond,
         {.scale = {0.25}, .zero_point = {1}, .least = -8, .most = 7}),
      of("scales by channel", {1, 2, 5}, 0, within_and_beyond,
         {.scale = {0.25, 0.125}, .zero_point = {1, 0}, .least = -8, .most = 7}),
      of("scales along the last axis", {2, 3, 2}, 0, within_and_beyond,
         {.scale = {0.25, 0.125}, .zero_point = {1, 0}, .least = -8, .most = 7, .axis = -1}),
  };
}

TEST_CASE("quantize: values and gradients that PyTorch gives") {
  for (const golden::Quantized& expected : golden::quantized) {
    INFO(expected.name);
    const auto columns = static_cast<std::int64_t>(golden::quantize_x.size()) / 3;
    ByHand hand;
    const Var x = hand.input({1, 3, columns}, golden::quantize_x);
    const QuantizationGrid grid{expected.scale, expected.zero_point, expected.least, expected.most, expected.axis + 1};
    std::vector<double> dy;
    for (std::size_t i = 0; i < golden::quantize_x.size(); ++i) dy.push_back(static_cast<double>(i + 1));
    const Var y = fake_quantize(x, grid);
    const Outcome wide = hand.run(y, dy), narrow = hand.run<float>(y, dy);
    for (const Outcome* found : {&wide, &narrow}) {
      CHECK(found->output == expected.y);
      CHECK(found->gradients.at(x.id()) == expected.dx);
    }
  }
}

TEST_CASE("quantize: what is not finite") {
  ByHand hand;
  const Var x = hand.input({1, 3}, {-infinity, std::nan(""), infinity});
  const Outcome found = hand.run<float>(fake_quantize(x, {.scale = {0.5}}));
  CHECK(found.output[0] == -64);
  CHECK(std::isnan(found.output[1]));
  CHECK(found.output[2] == 63.5);
  CHECK(found.gradients.at(x.id()) == std::vector<double>{0, 0, 0});
}

TEST_CASE("quantize: errors and listings") {
  const auto listed = [](QuantizationGrid grid) {
    Tape tape;
    const Var x = tape.input("x", {3, 4});
    return tape.node(fake_quantize(x, std::move(grid)).id()).op->attributes();
  };
  CHECK(listed({.scale = {0.5}, .zero_point = {3}, .least = 0, .most = 255}) == "scale 0.5, zero point 3, 0 .. 255");
  CHECK(listed({.scale = {1, 2, 3}, .zero_point = {0, 0, 0}}) == "3 scales along axis 1, -128 .. 127");
  CHECK_THROWS_WITH_AS(listed({.scale = {}, .zero_point = {}}),
                       "node 'fake_quantize': fake_quantize: 0 scales and 0 zero points, expected as many, and at least one",
                       Error);
  CHECK_THROWS_WITH_AS(listed({.scale = {1, 2}, .zero_point = {0}}),
                       "node 'fake_quantize': fake_quantize: 2 scales and 1 zero points, expected as many, and at least one",
                       Error);
  CHECK_THROWS_WITH_AS(listed({.scale = {0}}), "node 'fake_quantize': fake_quantize: scale 0, expected a positive number", Error);
  CHECK_THROWS_WITH_AS(
      listed({.least = 1, .most = 0}),
      "node 'fake_quantize': fake_quantize: whole numbers from 1 to 0, expected an ascending range within -1048576 to 1048576",
      Error);
  CHECK_THROWS_WITH_AS(listed({.zero_point = {1 << 21}}),
                       "node 'fake_quantize': fake_quantize: zero point 2097152, expected -1048576 to 1048576", Error);
  CHECK_THROWS_WITH_AS(listed({.scale = {1, 2}, .zero_point = {0, 0}}),
                       "node 'fake_quantize': fake_quantize: 2 scales for axis 1 of [N, 3, 4]", Error);
  CHECK_THROWS_WITH_AS(listed({.scale = {1, 2}, .zero_point = {0, 0}, .axis = 0}),
                       "node 'fake_quantize': fake_quantize: axis 0 of [N, 3, 4] is the batch axis; choose an axis within a sample",
                       Error);
}

}  // namespace safer::test
