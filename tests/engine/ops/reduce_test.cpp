#include "engine/ops/reduce.h"

#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> reduce_cases() {
  std::vector<OpCase> cases;
  const auto add = [&](std::string op, auto f, const Draw& draw) {
    cases.push_back({.op = op, .label = "last axis", .record = [=](Recording& r) {
                       return f(r.input("x", {1, 5}, draw), {-1}, false);
                     }});
    cases.push_back({.op = op, .label = "middle axis, kept", .record = [=](Recording& r) {
                       return f(r.input("x", {2, 3, 2}, draw), {1}, true);
                     }});
    cases.push_back({.op = op, .label = "axes around the batch axis", .record = [=](Recording& r) {
                       return f(r.input("x", {3, 2, 4}, draw, 1), {2, 0}, false);
                     }});
    cases.push_back({.op = op, .label = "images", .record = [=](Recording& r) {
                       return f(r.input("x", {1, 2, 3, 3}, draw), {2, 3}, false);
                     }});
  };
  add("sum", sum, {});
  add("mean", mean, {});
  add("max", safer::max, {.low = -4, .high = 4, .distinct = true});
  cases.push_back({.op = "sum", .label = "samples", .record = [](Recording& r) { return sum(r.input("x", {1, 3, 2}), {0}); }});
  cases.push_back({.op = "mean", .label = "all axes", .record = [](Recording& r) {
                     return mean(r.input("x", {3, 1, 2}, {}, 1), {0, 1, 2}, true);
                   }});
  return cases;
}

namespace {

/// Folds x: `shape` over the axes where `reduced`, element by element.
std::vector<double> plain(const Shape& shape, const std::vector<bool>& reduced, const std::vector<double>& x,
                          double (*fold)(double, double)) {
  Shape kept = shape;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (reduced[static_cast<std::size_t>(axis)]) kept[axis] = 1;
  std::vector<double> y(static_cast<std::size_t>(kept.size()), not_a_number);
  for (std::vector<std::int64_t>& place : places(shape)) {
    const double value = x[offset(shape, place)];
    for (std::size_t axis = 0; axis < place.size(); ++axis)
      if (reduced[axis]) place[axis] = 0;
    double& target = y[offset(kept, place)];
    target = std::isnan(target) ? value : fold(target, value);
  }
  return y;
}

}  // namespace

TEST_CASE("reduce: every set of axes against plain loops") {
  const Shape sample{2, 3, 4, 5}, whole{2, 9, 4, 5};
  constexpr int batch_axis = 1;
  const std::vector<double> x = random_values(360, 3);
  for (unsigned set = 1; set < 16; ++set) {
    std::vector<std::int64_t> axes;
    std::vector<bool> reduced(4);
    for (std::size_t axis = 0; axis < 4; ++axis)
      if (set & 1u << axis) {
        axes.insert(axes.begin(), static_cast<std::int64_t>(axis));
        reduced[axis] = true;
      }
    if (reduced[batch_axis]) continue;
    INFO("axes ", fmt::format("{}", fmt::join(axes, ", ")));
    ByHand hand(3);
    const Var in = hand.input(sample, x, batch_axis);
    double count = 1;
    for (const std::int64_t axis : axes) count *= static_cast<double>(whole[static_cast<int>(axis)]);
    std::vector<double> sums = plain(whole, reduced, x, [](double a, double b) { return a + b; });
    Deviation deviation;
    deviation.add("sum", hand.value(sum(in, axes)), sums, 1e-15 * count);
    for (double& value : sums) value /= count;
    deviation.add("mean", hand.value(mean(in, axes, true)), sums, 1e-15);
    deviation.add("max", hand.value(max(in, axes)), plain(whole, reduced, x, [](double a, double b) { return std::max(a, b); }), 0);
    CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
    CHECK(max(in, axes, true).type().batch_axis == batch_axis);
    CHECK(max(in, axes).type().batch_axis == (reduced[0] ? 0 : 1));
    CHECK(max(in, axes).shape().rank() == 4 - static_cast<int>(axes.size()));
  }
}

TEST_CASE("reduce: shapes") {
  Tape tape;
  const Var x = tape.input("x", {3, 4});
  CHECK(sum(x, {1}).type() == ValueType{{1, 4}, 0, DType::f32});
  CHECK(sum(x, {1}, true).type() == ValueType{{1, 1, 4}, 0, DType::f32});
  CHECK(sum(x, {0}).type() == ValueType{{3, 4}, -1, DType::f32});
  CHECK(sum(x, {0, -1}, true).type() == ValueType{{1, 3, 1}, -1, DType::f32});
  CHECK(mean(x, {0, 1, 2}).type() == ValueType{Shape{}, -1, DType::f32});
  CHECK(tape.node(mean(x, {1, -1}, true).id()).op->attributes() == "axes 1, -1, kept");
}

TEST_CASE("reduce: sums over samples") {
  ByHand hand(3);
  const Var x = hand.input({1, 2}, {1, 2, 3, 4, 5, 9});
  CHECK(hand.value(sum(x, {0})) == std::vector<double>{9, 15});
  CHECK(hand.value(mean(x, {0}, true)) == std::vector<double>{3, 5});
  CHECK(hand.value(mean(x, {0, 1})) == std::vector<double>{4});
  const Outcome outcome = hand.run(mean(x, {0}), {3, 6});
  CHECK(outcome.gradients.at(x.id()) == std::vector<double>{1, 2, 1, 2, 1, 2});

  // 2^24 + 1 is no float: a float sum would stay at 2^24.
  ByHand large(4097);
  std::vector<double> values(4097, 1);
  values[0] = 0x1p24;
  CHECK(large.value<float>(sum(large.input({1}, values), {0})) == std::vector<double>{0x1p24 + 4096});
}

TEST_CASE("reduce: no per-sample gradients through a sum over samples") {
  struct PerSample final : GradientSink<double> {
    bool per_sample() const override { return true; }
    void fold(const ParameterGradient<double>&) override {}
  };
  ByHand hand(2);
  const Var x = hand.input({1, 2}, {1, 2, 3, 4});
  for (const Var y : {sum(x, {0, 1}), mean(x, {1, 0})}) {
    CHECK(hand.tape.node(y.id()).op->mixes_samples(Mode::inference));
    Runner<double> runner(hand.tape, {.root = y.id(), .gradients = {x.id()}}, hand.data);
    runner.replay();
    PerSample sink;
    CHECK_THROWS_AS(runner.workspace.reverse(sink), Error);
  }
  CHECK_FALSE(hand.tape.node(sum(x, {1}).id()).op->mixes_samples(Mode::training));
}

TEST_CASE("reduce: the gradient of a maximum goes to the first of equals") {
  ByHand hand(2);
  const Var x = hand.input({1, 4}, {1, 7, 7, 2, 5, 5, 5, 5});
  const Outcome outcome = hand.run(max(x, {1}), {2, 3});
  CHECK(outcome.output == std::vector<double>{7, 5});
  CHECK(outcome.gradients.at(x.id()) == std::vector<double>{0, 2, 0, 0, 3, 0, 0, 0});

  ByHand apart;
  const Var y = apart.input({2, 1, 2}, {4, 1, 4, 4}, 1);
  CHECK(apart.run(max(y, {0, 2})).gradients.at(y.id()) == std::vector<double>{1, 0, 0, 0});
}

TEST_CASE("reduce: NaN is the greatest") {
  for (const auto& axes : {std::vector<std::int64_t>{0}, std::vector<std::int64_t>{0, 2}}) {
    ByHand hand;
    const Var x = hand.input({3, 1, 1}, {1, not_a_number, 9}, 1);
    const Outcome outcome = hand.run(max(x, axes));
    CHECK(std::isnan(outcome.output[0]));
    CHECK(outcome.gradients.at(x.id()) == std::vector<double>{0, 1, 0});
  }
}

TEST_CASE("reduce: errors") {
  Tape tape;
  const Var x = tape.input("x", {3, 4});
  const Var rows = tape.input("rows", ValueType{{5, 4}, 0, DType::f32});
  const Var indices = tape.input("indices", {3}, DType::i64);
  const Var empty = tape.input("empty", {0, 2});
  CHECK_THROWS_WITH_AS(sum(x, {}), "node 'sum': sum: no axes of [N, 3, 4] are named; list those to reduce", Error);
  CHECK_THROWS_WITH_AS(sum(x, {3}), "node 'sum': sum: axis 3 is out of range for shape [1, 3, 4] (expected -3 to 2)", Error);
  CHECK_THROWS_WITH_AS(mean(x, {1, -2}), "node 'mean': mean: axis -2 of [1, 3, 4] is named twice", Error);
  CHECK_THROWS_WITH_AS(max(indices, {1}), "node 'max': max: the input [N, 3] holds i64 numbers, expected reals (f32)", Error);
  CHECK_THROWS_WITH_AS(max(x, {0}), "node 'max': max: axis 0 of [N, 3, 4] is the batch axis; only sum and mean reduce over samples",
                       Error);
  CHECK_THROWS_WITH_AS(max(empty, {1}), "node 'max': max: [N, 0, 2] has no elements along axes 1", Error);
  CHECK_THROWS_WITH_AS(mean(rows, {-2}),
                       "node 'mean': mean: axis 0 of [5N, 4] is the batch axis, and each sample owns 5 of its rows; reshape to a "
                       "batch axis of samples alone",
                       Error);
}

}  // namespace safer::test
