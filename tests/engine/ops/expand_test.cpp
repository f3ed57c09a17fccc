#include <doctest/doctest.h>

#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> expand_cases() {
  const auto of_parameter = [](std::string label, const Shape& shape, const ValueType& to) {
    return OpCase{
        .op = "expand", .label = std::move(label), .record = [=](Recording& r) { return expand(r.parameter("W", shape), to); }};
  };
  return {
      of_parameter("class token", {1, 1, 5}, {{1, 1, 5}, 0}),
      of_parameter("sizes of 1, and samples", {3, 1}, {{1, 3, 4}, 0}),
      of_parameter("several rows a sample, each its own", {4, 3}, {{2, 4, 3}, 1}),
      of_parameter("several rows a sample, all alike", {2, 1, 3}, {{2, 4, 3}, 1}),
      of_parameter("a scalar", {}, {{3, 2}, 1}),
      of_parameter("no batch", {3, 1}, {{2, 3, 2}, -1}),
      {.op = "expand",
       .label = "values of samples",
       .record =
           [](Recording& r) {
             return expand(r.input("x", {1, 2, 1, 3}, {}, 1), {{2, 4, 2, 5, 3}, 2});
           }},
  };
}

namespace {

/// y by numpy's rule, for x and y of the whole batch; on the batch axis rows of x repeat as a whole.
std::vector<double> plain(const Shape& x, const Shape& y, const std::vector<double>& values) {
  std::vector<double> result;
  for (const std::vector<std::int64_t>& place : places(y)) {
    std::vector<std::int64_t> source(static_cast<std::size_t>(x.rank()));
    for (std::size_t axis = 0; axis < source.size(); ++axis)
      source[axis] = place[axis + place.size() - source.size()] % x[static_cast<int>(axis)];
    result.push_back(values[offset(x, source)]);
  }
  return result;
}

}  // namespace

TEST_CASE("expand: values against plain loops") {
  constexpr std::int64_t batch = 3;
  struct Case {
    Shape from;
    ValueType to;
  };
  const Case cases[] = {
      {{1, 1, 5}, {{1, 1, 5}, 0}}, {{3, 1}, {{1, 3, 4}, 0}},  {{4, 3}, {{2, 4, 3}, 1}}, {{2, 1, 3}, {{2, 4, 3}, 1}},
      {{}, {{3, 2}, 1}},           {{3, 1}, {{2, 3, 2}, -1}}, {{1}, {{7}, -1}},         {{5}, {{1, 5}, 0}},
  };
  for (const Case& one : cases) {
    ByHand hand(batch);
    const std::vector<double> values = counted(one.from.size());
    INFO(one.from.str(), " to ", text(one.to));
    CHECK(hand.value(expand(hand.shared(one.from, values), one.to)) == plain(one.from, one.to.at(batch), values));
  }
}

TEST_CASE("expand: a class token in front of each sample's tokens") {
  ByHand hand(2);
  const Var token = hand.shared({1, 1, 2}, {8, 9}), x = hand.input({1, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  const Outcome outcome = hand.run(concat({repeat(token), x}, 1), {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60});
  CHECK(outcome.output == std::vector<double>{8, 9, 1, 2, 3, 4, 8, 9, 5, 6, 7, 8});
  CHECK(outcome.gradients.at(token.id()) == std::vector<double>{11, 22});
  CHECK(outcome.gradients.at(x.id()) == std::vector<double>{3, 4, 5, 6, 30, 40, 50, 60});
}

TEST_CASE("expand: the gradient is summed in double") {
  ByHand hand(4097);
  const Var x = hand.shared({1}, {1});
  std::vector<double> seed(4097, 1);
  seed[0] = 0x1p24;
  CHECK(hand.run<float>(repeat(x), seed).gradients.at(x.id()) == std::vector<double>{0x1p24 + 4096});
}

TEST_CASE("expand: like another value, which is not read") {
  Tape tape;
  const Var x = tape.input("x", {4, 3}), W = tape.parameter({.name = "W", .shape = {1, 3}});
  const Var y = expand(W, x);
  CHECK(y.type() == x.type());
  CHECK(tape.node(y.id()).inputs == std::vector<ValueId>{W.id()});
  CHECK(tape.node(y.id()).op->attributes() == "to [N, 4, 3]");
  CHECK(expand(W, ValueType{{2, 1, 3}, 1}).type() == ValueType{{2, 1, 3}, 1, DType::f32});
}

TEST_CASE("expand: errors") {
  Tape tape;
  const Var x = tape.input("x", {4}), W = tape.parameter({.name = "W", .shape = {2, 3}});
  const Var indices = tape.input("indices", {4}, DType::i64);
  const auto refused = [](Var from, const ValueType& to, std::string_view what) {
    CHECK_THROWS_WITH_AS(
        expand(from, to),
        fmt::format("node 'expand': expand: {} cannot be repeated to {}; its last axes must match or have size 1", what, text(to))
            .c_str(),
        Error);
  };
  refused(W, {{3, 3}, -1}, "[2, 3]");
  refused(W, {{3}, -1}, "[2, 3]");
  refused(x, {{1, 4}, -1}, "[N, 4]");
  refused(x, {{4, 1, 4}, 0}, "[N, 4]");
  refused(x, {{2, 4}, 0}, "[N, 4]");
  CHECK_THROWS_WITH_AS(expand(indices, x), "node 'expand': expand: the input [N, 4] holds i64 numbers, expected reals (f32)",
                       Error);
}

}  // namespace safer::test
