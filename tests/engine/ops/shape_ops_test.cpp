#include "engine/ops/shape_ops.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> shape_cases() {
  return {
      {.op = "concat",
       .label = "three values, one twice",
       .record =
           [](Recording& r) {
             return concat({r.input("x", {1, 2, 3}), r.input("y", {1, 1, 3}), r.input("z", {1, 4, 3}), r.input("x", {1, 2, 3})}, 1);
           }},
      {.op = "concat",
       .label = "what is repeated for every sample",
       .record =
           [](Recording& r) {
             return concat({repeat(r.parameter("W", {1, 1, 3})), r.input("x", {1, 2, 3})}, -2);
           },
       .shareable = false},
      {.op = "slice",
       .label = "last axis in steps",
       .record =
           [](Recording& r) {
             return slice(r.input("x", {1, 7}), -1, 1, 6, 2);
           }},
      {.op = "pad",
       .label = "all axes but the batch",
       .record =
           [](Recording& r) {
             return pad(r.input("x", {2, 1, 3}, {}, 1), {1, 0, 0}, {0, 0, 2}, 0.5);
           }},
      {.op = "reshape",
       .label = "tokens as rows",
       .record =
           [](Recording& r) {
             return reshape(r.input("x", {1, 3, 2}), {3, 2});
           }},
      {.op = "reshape",
       .label = "flatten",
       .record =
           [](Recording& r) {
             return flatten(r.input("x", {1, 2, 3, 2}));
           }},
      {.op = "transpose",
       .label = "batch axis moves",
       .record =
           [](Recording& r) {
             return transpose(r.input("x", {1, 3, 2, 4}), {2, 0, -1, 1});
           }},
      {.op = "transpose",
       .label = "rows of a sample",
       .record =
           [](Recording& r) {
             return transpose(r.input("x", {3, 2}), {1, 0});
           }},
  };
}

namespace {

/// y of f(x) in the order of `expected`, which says for each element of y where in x it stands, or -1; and that the gradient takes
/// each element's way back.
void check_moves(const Shape& sample, int batch_axis, std::int64_t batch, const std::function<Var(Var)>& f,
                 const std::vector<std::int64_t>& expected, double filler = 0) {
  ByHand hand(batch);
  const Shape whole = ValueType{sample, batch_axis}.at(batch);
  const Var x = hand.input(sample, counted(whole.size()), batch_axis), y = f(x);
  const std::vector<double> seed = random_values(expected.size(), 1);
  std::vector<double> values, gradient(static_cast<std::size_t>(whole.size()), 0.0);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    values.push_back(expected[i] < 0 ? filler : static_cast<double>(expected[i]));
    if (expected[i] >= 0) gradient[static_cast<std::size_t>(expected[i])] += seed[i];
  }
  REQUIRE(y.type().at(batch).size() == static_cast<std::int64_t>(expected.size()));
  const Outcome outcome = hand.run(y, seed);
  CHECK(outcome.output == values);
  CHECK(outcome.gradients.at(x.id()) == gradient);
}

void check_transpose(const Shape& sample, int batch_axis, std::int64_t batch, const std::vector<std::int64_t>& permutation) {
  INFO("axes ", fmt::format("{}", fmt::join(permutation, ", ")), " of ", sample.str(), ", batch axis ", batch_axis);
  const Shape x = ValueType{sample, batch_axis}.at(batch);
  Shape y = x;
  for (int axis = 0; axis < x.rank(); ++axis) y[axis] = x[static_cast<int>(permutation[static_cast<std::size_t>(axis)])];
  std::vector<std::int64_t> expected;
  for (const auto& place : places(y)) {
    std::vector<std::int64_t> source(place.size());
    for (std::size_t axis = 0; axis < place.size(); ++axis) source[static_cast<std::size_t>(permutation[axis])] = place[axis];
    expected.push_back(static_cast<std::int64_t>(offset(x, source)));
  }
  check_moves(
      sample, batch_axis, batch, [&](Var v) { return transpose(v, permutation); }, expected);
}

}  // namespace

TEST_CASE("shape: transpose by every permutation") {
  for (int batch_axis = 0; batch_axis < 4; ++batch_axis) {
    std::vector<std::int64_t> permutation = {0, 1, 2, 3};
    do check_transpose({2, 1, 3, 4}, batch_axis, 2, permutation);
    while (std::ranges::next_permutation(permutation).found);
  }
}

TEST_CASE("shape: transpose of more than a tile, and of odd sizes") {
  check_transpose({37, 53}, 0, 1, {1, 0});
  check_transpose({1, 16, 17, 3}, 0, 3, {0, 2, 1, 3});
  check_transpose({1, 33, 15}, 0, 2, {2, 1, 0});
  check_transpose({1, 1, 31}, 0, 1, {2, 0, 1});
  check_transpose({5}, 0, 2, {0});
}

TEST_CASE("shape: the batch axis follows a transpose") {
  Tape tape;
  const Var x = tape.input("x", {2, 3, 4});
  const Var y = transpose(x, {2, 3, 0, 1});
  CHECK(y.type() == ValueType{{3, 4, 1, 2}, 2, DType::f32});
  CHECK(tape.node(y.id()).op->attributes() == "axes 2, 3, 0, 1");
  CHECK(transpose(tape.parameter({.name = "W", .shape = {2, 3}}), {1, 0}).type() == ValueType{{3, 2}, -1, DType::f32});
}

TEST_CASE("shape: concat") {
  ByHand hand(2);
  const Var a = hand.input({1, 2}, {1, 2, 3, 4}), b = hand.input({1, 1}, {5, 6});
  const Var y = concat({a, b, a}, 1);
  const Outcome outcome = hand.run(y, {1, 2, 3, 4, 5, 10, 20, 30, 40, 50});
  CHECK(outcome.output == std::vector<double>{1, 2, 5, 1, 2, 3, 4, 6, 3, 4});
  CHECK(outcome.gradients.at(a.id()) == std::vector<double>{5, 7, 50, 70});
  CHECK(outcome.gradients.at(b.id()) == std::vector<double>{3, 30});
  CHECK(hand.tape.node(y.id()).op->attributes() == "axis 1");

  ByHand turned(2);
  const Var c = turned.input({2, 1}, {1, 2, 3, 4}, 1), d = turned.input({1, 1}, {5, 6}, 1);
  CHECK(turned.value(concat({d, c}, -2)) == std::vector<double>{5, 6, 1, 2, 3, 4});
}

TEST_CASE("shape: slice") {
  const Shape sample{2, 1, 5};
  const auto check = [&](std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step,
                         std::vector<std::int64_t> expected) {
    INFO("axis ", axis, ", ", begin, " to ", end, " by ", step);
    check_moves(
        sample, 1, 2, [&](Var x) { return slice(x, axis, begin, end, step); }, expected);
  };
  check(0, 0, 1, 1, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  check(0, -1, 99, 1, {10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  check(2, 1, -1, 2, {1, 3, 6, 8, 11, 13, 16, 18});
  check(2, 0, 5, 3, {0, 3, 5, 8, 10, 13, 15, 18});
  check(-1, -99, -4, 1, {0, 5, 10, 15});
  check(2, 3, std::numeric_limits<std::int64_t>::max(), 1, {3, 4, 8, 9, 13, 14, 18, 19});
  Tape tape;
  CHECK(tape.node(slice(tape.input("x", {9}), 1, 2, -1, 3).id()).op->attributes() == "axis 1, 2 to -1 by 3");
}

TEST_CASE("shape: pad") {
  check_moves(
      {1, 2, 2}, 0, 2,
      [](Var x) {
        return pad(x, {0, 1, 0}, {0, 0, 1}, -7);
      },
      {-1, -1, -1, 0, 1, -1, 2, 3, -1, -1, -1, -1, 4, 5, -1, 6, 7, -1}, -7);
  check_moves({1, 2}, 0, 2, [](Var x) { return pad(x, {0, 0}, {0, 0}); }, {0, 1, 2, 3});
  Tape tape;
  CHECK(tape.node(pad(tape.input("x", {9}), {0, 1}, {0, 2}, 0.5).id()).op->attributes() == "before 0, 1, behind 0, 2, with 0.5");
}

TEST_CASE("shape: where reshape puts the batch axis") {
  Tape tape;
  const auto of = [&](const Shape& sample, int batch_axis) {
    return tape.input(fmt::format("x{}", tape.size()), ValueType{sample, batch_axis});
  };
  const auto type = [](const Shape& sample, int batch_axis) { return ValueType{sample, batch_axis, DType::f32}; };
  CHECK(reshape(of({1, 3, 4, 4}, 0), {1, 48}).type() == type({1, 48}, 0));
  CHECK(flatten(of({1, 3, 4, 4}, 0)).type() == type({1, 48}, 0));
  CHECK(flatten(of({1, 3, 4, 4}, 0), -2).type() == type({1, 3, 16}, 0));
  CHECK(flatten(of({1, 3, 4}, 0), 0).type() == type({12}, 0));
  CHECK(reshape(of({1, 5, 8}, 0), {5, 8}).type() == type({5, 8}, 0));
  CHECK(reshape(of({5, 8}, 0), {1, 5, 8}).type() == type({1, 5, 8}, 0));
  CHECK(reshape(of({7, 1, 6}, 1), {7, 2, 3}).type() == type({7, 2, 3}, 1));
  CHECK(reshape(of({2, 3, 1, 4}, 2), {6, 1, 4}).type() == type({6, 1, 4}, 1));
  CHECK(reshape(of({6, 1, 4}, 1), {2, 3, 4}).type() == type({2, 3, 4}, 2));
  CHECK(reshape(of({1, 1, 6}, 1), {1, 1, 2, 3}).type() == type({1, 1, 2, 3}, 1));
  CHECK(reshape(of({1, 1, 6}, 1), {1, 2, 3}).type() == type({1, 2, 3}, 0));
  CHECK(reshape(of({1, 1, 6}, 1), {1, 2, 3}, 1).type() == type({1, 2, 3}, 1));
  CHECK(reshape(tape.parameter({.name = "W", .shape = {6, 2}}), {3, 4}).type() == type({3, 4}, -1));
  CHECK(reshape(of({1}, 0), Shape{1, 1}).type() == type({1, 1}, 0));
  CHECK(tape.node(reshape(of({6}, 0), {2, 3}).id()).op->attributes() == "to [2, 3]");
}

TEST_CASE("shape: reshape moves nothing") {
  check_moves(
      {3, 1, 4}, 1, 2,
      [](Var x) {
        return reshape(x, {3, 2, 2});
      },
      [] {
        std::vector<std::int64_t> same;
        for (const double place : counted(24)) same.push_back(static_cast<std::int64_t>(place));
        return same;
      }());
  Tape tape;
  CHECK(tape.node(reshape(tape.input("x", {4}), {2, 2}).id()).op->is_view());
}

TEST_CASE("shape: errors") {
  Tape tape;
  const Var x = tape.input("x", {3, 4}), y = tape.input("y", {5}), places = tape.input("places", {4}, DType::i64);
  const Var turned = tape.input("turned", ValueType{{3, 1, 4}, 1});
  const Var W = tape.parameter({.name = "W", .shape = {1, 3, 4}});
  const auto says = [&](const auto& f, std::string_view message) {
    try {
      f();
      FAIL_CHECK("no error; expected: ", message);
    } catch (const Error& error) {
      CHECK(std::string_view(error.what()) == message);
    }
  };
  says([&] { concat({}, 1); }, "concat: no values given, expected at least one");
  says(
      [&] {
        concat({x, x}, 0);
      },
      "node 'concat': concat: axis 0 of [N, 3, 4] is the batch axis; values are joined within samples only");
  says([&] { concat({x, y}, 1); }, "node 'concat': concat: [N, 3, 4] and [N, 5] must agree in all axes but axis 1");
  says(
      [&] {
        concat({x, W}, 1);
      },
      "node 'concat': concat: [N, 3, 4] and [1, 3, 4] must agree in all axes but axis 1; expand what all samples share");
  says(
      [&] {
        concat({x, slice(x, 2, 0, 2)}, 1);
      },
      "node 'concat': concat: [N, 3, 4] and [N, 3, 2] must agree in all axes but axis 1");
  says([&] { concat({places, places}, 1); }, "node 'concat': concat: the input [N, 4] holds i64 numbers, expected reals (f32)");
  says([&] { concat({x, x}, 3); }, "node 'concat': concat: axis 3 is out of range for shape [1, 3, 4] (expected -3 to 2)");

  says([&] { slice(x, 0, 0, 1); },
       "node 'slice_2': slice: axis 0 of [N, 3, 4] is the batch axis; only axes within a sample can be cut");
  says([&] { slice(x, 1, 0, 3, 0); }, "node 'slice_2': slice: step 0, expected at least 1");
  says([&] { slice(x, 1, 2, 1); }, "node 'slice_2': slice: nothing lies between 2 and 1 of axis 1 of [N, 3, 4]");
  says([&] { slice(x, 1, 3, 9); }, "node 'slice_2': slice: nothing lies between 3 and 9 of axis 1 of [N, 3, 4]");
  says([&] { slice(x, -4, 0, 1); }, "node 'slice_2': slice: axis -4 is out of range for shape [1, 3, 4] (expected -3 to 2)");
  says([&] { slice(places, 1, 0, 1); }, "node 'slice_2': slice: the input [N, 4] holds i64 numbers, expected reals (f32)");

  says([&] { pad(x, {0, 0}, {0, 0, 0}); }, "node 'pad': pad: 2 sizes before and 3 behind for [N, 3, 4], expected 3 of each");
  says(
      [&] {
        pad(x, {0, -1, 0}, {0, 2, 0});
      },
      "node 'pad': pad: -1 before and 2 behind axis 1, expected no negative size; slice cuts");
  says(
      [&] {
        pad(turned, {0, 1, 0}, {0, 0, 0});
      },
      "node 'pad': pad: axis 1 of [3, N, 4] is the batch axis, which cannot be padded");
  says([&] { pad(places, {0, 0}, {0, 0}); }, "node 'pad': pad: the input [N, 4] holds i64 numbers, expected reals (f32)");

  says([&] { reshape(x, {1, 13}); }, "node 'reshape': reshape: [N, 3, 4] has 12 elements a sample, but [1, 13] has 13");
  says(
      [&] {
        reshape(turned, {2, 6});
      },
      "node 'reshape': reshape: [3, N, 4] to [2, 6]: the batch axis must come behind axes of 3 elements in all");
  says(
      [&] {
        reshape(turned, {3, 4}, 0);
      },
      "node 'reshape': reshape: [3, N, 4] to [3, 4] with batch axis 0: the batch axis must come behind axes of 3 elements in all");
  says([&] { reshape(x, {12}, 4); },
       "node 'reshape': reshape: [N, 3, 4] to [12] with batch axis 4: the batch axis must come behind axes of 1 elements in all");
  says([&] { flatten(turned, 0); },
       "node 'reshape': reshape: [3, N, 4] to [12]: the batch axis must come behind axes of 3 elements in all");
  says([&] { flatten(x, 3); }, "flatten: axis 3 is out of range for shape [1, 3, 4] (expected -3 to 2)");
  says([&] { reshape(places, {4}); }, "node 'reshape': reshape: the input [N, 4] holds i64 numbers, expected reals (f32)");

  says([&] { transpose(x, {0, 1}); }, "node 'transpose': transpose: axes 0, 1 do not name each axis of [N, 3, 4] once");
  says([&] { transpose(x, {0, 1, -2}); }, "node 'transpose': transpose: axes 0, 1, -2 do not name each axis of [N, 3, 4] once");
  says([&] { transpose(x, {0, 1, 2, 1}); }, "node 'transpose': transpose: axes 0, 1, 2, 1 do not name each axis of [N, 3, 4] once");
  says(
      [&] {
        transpose(x, {0, 1, 3});
      },
      "node 'transpose': transpose: axis 3 is out of range for shape [1, 3, 4] (expected -3 to 2)");
  says([&] { transpose(places, {1, 0}); }, "node 'transpose': transpose: the input [N, 4] holds i64 numbers, expected reals (f32)");
}

TEST_CASE("channel_shuffle: channels of all groups side by side, and back by the complementary number of groups") {
  ByHand hand(2);
  const Var x = hand.input({1, 6, 1, 2}, counted(24));
  const Var y = channel_shuffle(x, 2);
  CHECK(y.type() == x.type());
  // Channels 0 1 2 | 3 4 5 become 0 3 1 4 2 5, of two places each.
  CHECK(hand.value(y) == std::vector<double>{0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 18, 19, 14, 15, 20, 21, 16, 17, 22, 23});
  CHECK(hand.value(channel_shuffle(y, 3)) == counted(24));
  const Outcome outcome = hand.run(y, counted(24));
  CHECK(hand.value(channel_shuffle(x, 3)) == outcome.gradients.at(x.id()));  // the inverse permutation
  CHECK_THROWS_WITH_AS(channel_shuffle(x, 4), "channel_shuffle: 4 groups of the 6 channels of [N, 6, 1, 2]; expected a divisor",
                       Error);
  CHECK_THROWS_WITH_AS(channel_shuffle(hand.input({6, 1}, counted(12), 1), 2),
                       "channel_shuffle: x is [6, N], expected [N, channels, ...] with the batch first", Error);
}

}  // namespace safer::test
