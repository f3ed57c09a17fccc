#include "engine/ops/linear.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> linear_cases() {
  struct Sizes {
    const char* label;
    Shape x;
    int batch_axis;
    std::int64_t out;
  };
  const Sizes all[] = {
      {"one row a sample", {1, 5}, 0, 3},        {"tokens", {1, 3, 5}, 0, 2},
      {"rows of a matrix", {3, 4}, 0, 2},        {"batch axis 1", {3, 1, 5}, 1, 2},
      {"batch axis inside", {2, 2, 3, 4}, 1, 3}, {"one by one", {1, 1}, 0, 1},
      {"wider than a vector", {1, 19}, 0, 33},   {"more than a strip", {1, 2}, 0, 259},
  };
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    for (const WeightLayout layout : {WeightLayout::out_in, WeightLayout::in_out})
      for (const bool bias : {false, true}) {
        const std::int64_t in = sizes.x[sizes.x.rank() - 1];
        const Shape W = layout == WeightLayout::out_in ? Shape{sizes.out, in} : Shape{in, sizes.out};
        cases.push_back({.op = "linear",
                         .label = fmt::format("{}, W {}{}", sizes.label, W, bias ? ", bias" : ""),
                         .record =
                             [=](Recording& to) {
                               const Var x = to.input("x", sizes.x, {}, sizes.batch_axis), weight = to.parameter("W", W);
                               return linear(x, weight, bias ? to.parameter("b", {sizes.out}) : Var{}, {}, layout);
                             },
                         .ulps = 0.5 * static_cast<double>(std::max<std::int64_t>(32, sizes.out))});
      }
  return cases;
}

namespace {

std::string linear_refusal(const ValueType& x, const ValueType& W, const ValueType& b = {{2}}) {
  return refusal({{"x", x}, {"W", W}, {"b", b}}, [&](const std::vector<Var>& in) { linear(in[0], in[1], in[2], "fc"); });
}

}  // namespace

TEST_CASE("linear: values by hand, for either layout of the weight") {
  // [1 2] W^T + b with W = [[1 2] [3 4] [5 6]] and b = [10 20 30]
  for (const WeightLayout layout : {WeightLayout::out_in, WeightLayout::in_out}) {
    Tape tape;
    const bool rows = layout == WeightLayout::out_in;
    const Var x = tape.input("x", {2}), W = tape.parameter({.name = "W", .shape = rows ? Shape{3, 2} : Shape{2, 3}});
    const Var b = tape.parameter({.name = "b", .shape = {3}});
    const Var y = linear(x, W, b, {}, layout);
    Data data{.batch = 2, .inputs = {{x.id(), {1, 2, -1, 0}}}, .parameters = Parameters(tape.parameters(), DType::f64)};
    data.parameters.set(
        0, Tensor::of<double>(W.shape(), rows ? std::vector<double>{1, 2, 3, 4, 5, 6} : std::vector<double>{1, 3, 5, 2, 4, 6}));
    data.parameters.set(1, Tensor::of<double>({3}, std::vector<double>{10, 20, 30}));
    Runner<float> runner(tape, {.outputs = {y.id()}}, data);
    runner.replay();
    CHECK(runner.value(y.id()) == std::vector<double>{15, 31, 47, 9, 17, 25});
  }
}

TEST_CASE("linear: a changed weight is seen, whatever was packed before") {
  Tape tape;
  const Var x = tape.input("x", {3}), W = tape.parameter({.name = "W", .shape = {17, 3}});
  const Var y = linear(x, W);
  const std::int64_t batch = 40;
  Data data{
      .batch = batch, .inputs = {{x.id(), std::vector<double>(120, 1)}}, .parameters = Parameters(tape.parameters(), DType::f64)};
  Runner<float> runner(tape, {.outputs = {y.id()}, .root = y.id(), .gradients = {x.id()}}, data);
  BatchGradients<float> sink;
  for (int round = 1; round <= 3; ++round) {
    std::ranges::fill(runner.parameters.mutable_values<float>(0), static_cast<float>(round));
    runner.replay();
    CHECK(runner.value(y.id()) == std::vector<double>(static_cast<std::size_t>(batch * 17), 3 * round));
    runner.workspace.reverse(sink);
    CHECK(std::ranges::all_of(runner.workspace.gradient(x), [&](float g) { return g == static_cast<float>(17 * round); }));
  }
}

TEST_CASE("linear: a node is called like its weight") {
  Tape tape;
  const auto scope = tape.scope("block");
  const Var x = tape.input("x", {2});
  const auto weight = [&](const char* name) { return tape.parameter({.name = name, .shape = {2, 2}}); };
  const auto name_of = [&](Var y) { return tape.node(y.id()).name; };
  CHECK(name_of(linear(x, weight("fc1.weight"))) == "block.fc1");
  CHECK(name_of(linear(x, weight("fc2"))) == "block.linear");
  CHECK(name_of(linear(x, weight("fc3.weight"), {}, "head")) == "block.head");
}

TEST_CASE("linear: shapes that do not fit are refused") {
  CHECK(linear_refusal({{1, 4}, 0}, {{2, 3}}) ==
        "node 'fc': linear: x is [N, 4] but the weight [2, 3] takes 3 inputs; the last axis of x must have that size");
  CHECK(linear_refusal({{1, 3}, 0}, {{2, 3, 1}}) ==
        "node 'fc': linear: the weight is [2, 3, 1], expected a matrix that all samples share; use matmul for others");
  CHECK(linear_refusal({{1, 3}, 0}, {{2, 3}, 0}) ==
        "node 'fc': linear: the weight is [2N, 3], expected a matrix that all samples share; use matmul for others");
  CHECK(linear_refusal({{4, 3}, 1}, {{2, 3}}) ==
        "node 'fc': linear: the batch axis of x [4, 3N] is its last, which is summed over; transpose x first");
  CHECK(linear_refusal({{1, 3}, 0, DType::i64}, {{2, 3}}) ==
        "node 'fc': linear: the input [N, 3] holds i64 numbers, expected reals (f32)");
  CHECK(linear_refusal({{1, 3}, 0}, {{2, 3}}, {{3}}) == "node 'fc': linear: the bias is [3], expected [2] for all samples");
  CHECK(linear_refusal({{1, 3}, 0}, {{2, 3}}, {{2}, 0}) == "node 'fc': linear: the bias is [2N], expected [2] for all samples");
}

}  // namespace safer::test
