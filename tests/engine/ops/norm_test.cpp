#include "engine/ops/norm.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> norm_cases() {
  struct Sizes {
    const char* label;
    Shape x;
    int batch_axis;
    int axes;
  };
  const Sizes all[] = {{"rows", {1, 5}, 0, 1},
                       {"tokens", {1, 3, 4}, 0, 1},
                       {"two axes", {1, 3, 4}, 0, 2},
                       {"batch axis 1", {3, 1, 4}, 1, 1},
                       {"batch axis inside", {2, 2, 3, 4}, 1, 1},
                       {"wider than a vector", {1, 19}, 0, 1}};
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    for (const bool gamma : {false, true})
      for (const bool beta : {false, true}) {
        const Shape own(std::span(sizes.x.end() - sizes.axes, sizes.x.end()));
        cases.push_back({.op = "layer_norm",
                         .label = fmt::format("{}{}{}", sizes.label, gamma ? ", gamma" : "", beta ? ", beta" : ""),
                         .record = [=](Recording& in) {
                           const Var x = in.input("x", sizes.x, {}, sizes.batch_axis);
                           const Var scale = gamma ? in.parameter("gamma", own, {.low = 0.5, .high = 1.5}, Role::norm) : Var{};
                           return layer_norm(x, scale, beta ? in.parameter("beta", own, {}, Role::norm) : Var{},
                                             {.axes = sizes.axes});
                         }});
      }
  return cases;
}

namespace {

std::string norm_refusal(const ValueType& x, const ValueType& gamma, LayerNormOptions options = {}) {
  return refusal({{"x", x}, {"gamma", gamma}}, [&](const std::vector<Var>& in) { layer_norm(in[0], in[1], {}, options, "norm"); });
}

}  // namespace

TEST_CASE("layer_norm: values by hand") {
  // Mean 2, variance 1.25 - 0.25 = 1 for [1 3]; epsilon 0.
  Tape tape;
  const Var x = tape.input("x", {2}), gamma = tape.parameter({.name = "g", .shape = {2}}),
            beta = tape.parameter({.name = "b", .shape = {2}});
  const Var y = layer_norm(x, gamma, beta, {.epsilon = 0}), plain = layer_norm(x, {}, {}, {.epsilon = 3});
  Data data{.batch = 2, .inputs = {{x.id(), {1, 3, 10, 6}}}, .parameters = Parameters(tape.parameters(), DType::f64)};
  data.parameters.set(0, Tensor::of<double>({2}, std::vector<double>{2, 4}));
  data.parameters.set(1, Tensor::of<double>({2}, std::vector<double>{10, 20}));
  Runner<float> runner(tape, {.outputs = {y.id(), plain.id()}}, data);
  runner.replay();
  CHECK(runner.value(y.id()) == std::vector<double>{8, 24, 12, 16});
  const double four = 2 / std::sqrt(7.0);
  const std::vector<double> found = runner.value(plain.id()), expected = {-0.5, 0.5, four, -four};
  for (std::size_t i = 0; i < 4; ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

TEST_CASE("layer_norm: shapes that do not fit are refused") {
  CHECK(norm_refusal({{1, 4}, 0}, {{3}}) == "node 'norm': layer_norm: gamma is [3], expected [4] for x [N, 4]");
  CHECK(norm_refusal({{1, 4}, 0}, {{4}, 0}) == "node 'norm': layer_norm: gamma is [4N], expected [4] for x [N, 4]");
  CHECK(norm_refusal({{1, 4}, 0}, {{1, 4}}, {.axes = 2}) ==
        "node 'norm': layer_norm: the batch axis of x [N, 4] is among the last 2, which are normalised");
  CHECK(norm_refusal({{1, 4}, 0}, {{4}}, {.axes = 3}) ==
        "node 'norm': layer_norm: 3 axes to normalise of x [N, 4]; expected 1 to 2");
  CHECK(norm_refusal({{1, 4}, 0}, {{4}}, {.epsilon = -1}) == "node 'norm': layer_norm: epsilon is -1, expected 0 or more");
}

}  // namespace safer::test
