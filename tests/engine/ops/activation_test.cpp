#include "engine/ops/activation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/golden/activation_golden.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> activation_cases() {
  const auto of = [](std::string op, Var (*f)(Var), const Draw& draw) {
    return OpCase{.op = op, .label = "3 rows a sample on axis 1", .record = [f, draw](Recording& r) {
                    return f(r.input("x", {2, 3, 3}, draw, 1));
                  }};
  };
  const auto softmaxes = [](std::string op, Var (*f)(Var, std::int64_t)) {
    return std::vector<OpCase>{{.op = op,
                                .label = "last axis",
                                .record =
                                    [f](Recording& r) {
                                      return f(r.input("x", {1, 5}, {-3, 3}), -1);
                                    }},
                               {.op = op,
                                .label = "axis 0",
                                .record =
                                    [f](Recording& r) {
                                      return f(r.input("x", {4, 2, 3}, {-3, 3}, 1), 0);
                                    }},
                               {.op = op, .label = "middle axis", .record = [f](Recording& r) {
                                  return f(r.input("x", {2, 3, 4}, {-3, 3}), 1);
                                }}};
  };
  std::vector<OpCase> cases = {
      of("relu", relu, {.avoid = {0}}),
      of("relu6", relu6, {-2, 8, {0, 6}}),
      of("leaky_relu", [](Var x) { return leaky_relu(x, 0.2); }, {.avoid = {0}}),
      of("gelu", [](Var x) { return gelu(x); }, {-3, 3}),
      of("gelu_tanh", [](Var x) { return gelu(x, Gelu::tanh); }, {-3, 3}),
      of("silu", silu, {-4, 4}),
      of("hard_swish", hard_swish, {-5, 5, {-3, 3}}),
      of("mish", mish, {-4, 4}),
      of("softplus", softplus, {-4, 4}),
      of("sigmoid", sigmoid, {-4, 4}),
      of("tanh", safer::tanh, {-2, 2}),
      of("exp", safer::exp, {-2, 2}),
      of("log", safer::log, {0.25, 4}),
      of("erf", safer::erf, {-2, 2}),
      of("square", square, {}),
      of("sqrt", safer::sqrt, {0.25, 4}),
  };
  for (OpCase& op_case : softmaxes("softmax", softmax)) cases.push_back(std::move(op_case));
  for (OpCase& op_case : softmaxes("log_softmax", log_softmax)) cases.push_back(std::move(op_case));
  return cases;
}

namespace {

/// y and dx for x: [N, columns] of one sample a row and dy = 1.
Outcome run_rows(const std::function<Var(Var)>& f, const std::vector<double>& x, std::int64_t columns) {
  ByHand hand(static_cast<std::int64_t>(x.size()) / columns);
  return hand.run(f(hand.input({1, columns}, x)));
}

}  // namespace

TEST_CASE("activation: values and gradients that PyTorch gives") {
  const std::pair<std::string_view, std::function<Var(Var)>> functions[] = {
      {"relu", relu},
      {"relu6", relu6},
      {"leaky_relu", [](Var x) { return leaky_relu(x); }},
      {"gelu", [](Var x) { return gelu(x); }},
      {"gelu_tanh", [](Var x) { return gelu(x, Gelu::tanh); }},
      {"silu", silu},
      {"hard_swish", hard_swish},
      {"mish", mish},
      {"softplus", softplus},
      {"sigmoid", sigmoid},
      {"tanh", safer::tanh},
      {"exp", safer::exp},
      {"log", [](Var x) { return safer::log(square(x)); }},
      {"erf", safer::erf},
      {"square", square},
      {"sqrt", [](Var x) { return safer::sqrt(square(x)); }},
      {"softmax", [](Var x) { return square(softmax(x)); }},
      {"log_softmax", [](Var x) { return square(log_softmax(x, 1)); }},
  };
  REQUIRE(std::size(functions) == std::size(golden::activations));
  const std::vector<double> x(std::begin(golden::activation_x), std::end(golden::activation_x));
  for (std::size_t i = 0; i < std::size(functions); ++i) {
    const golden::Activation& expected = golden::activations[i];
    REQUIRE(functions[i].first == expected.name);
    INFO(expected.name);
    // Goldens have 17 digits; both sides round a few operations on numbers below 1100.
    const Outcome found = run_rows(functions[i].second, x, static_cast<std::int64_t>(x.size()));
    for (std::size_t k = 0; k < x.size(); ++k) {
      INFO("x = ", x[k]);
      CHECK(std::abs(found.output[k] - expected.y[k]) <= 1e-14 * std::max(1.0, std::abs(expected.y[k])));
      CHECK(std::abs(first_gradient(found)[k] - expected.dx[k]) <= 1e-13 * std::max(1.0, std::abs(expected.dx[k])));
    }
  }
}

TEST_CASE("activation: gradients at kinks") {
  CHECK(first_gradient(run_rows(relu, {-1, 0, 1}, 3)) == std::vector<double>{0, 0, 1});
  CHECK(first_gradient(run_rows(relu6, {0, 6, 3, 7}, 4)) == std::vector<double>{0, 0, 1, 0});
  CHECK(first_gradient(run_rows([](Var x) { return leaky_relu(x, 0.25); }, {0, -1, 1}, 3)) == std::vector<double>{0.25, 0.25, 1});
  CHECK(first_gradient(run_rows(hard_swish, {-3, 3}, 2)) == std::vector<double>{0, 1});
  CHECK(first_gradient(run_rows(safer::sqrt, {0}, 1)) == std::vector<double>{infinity});
}

TEST_CASE("activation: softmax of any size") {
  const Outcome far = run_rows([](Var x) { return softmax(x); }, {1e4, 1e4, -1e4, -1e4, 3, 5}, 2);
  CHECK(far.output[0] == 0.5);
  CHECK(far.output[3] == 0.5);
  CHECK(far.output[5] == doctest::Approx(1 / (1 + std::exp(-2.0))).epsilon(1e-14));
  const Outcome logarithm = run_rows([](Var x) { return log_softmax(x); }, {1e4, -1e4, 0, 0}, 2);
  CHECK(logarithm.output[0] == 0);
  CHECK(logarithm.output[1] == -2e4);
  CHECK(logarithm.output[2] == doctest::Approx(-std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("activation: what follows a layer") {
  Tape tape;
  const Var x = tape.input("x", {4});
  const auto is_activation = [&](Var y) { return tape.node(y.id()).op->is_activation(); };
  for (Var (*f)(Var) : {relu, relu6, silu, hard_swish, mish, softplus, sigmoid, safer::tanh}) CHECK(is_activation(f(x)));
  CHECK(is_activation(leaky_relu(x)));
  CHECK(is_activation(gelu(x)));
  CHECK(is_activation(gelu(x, Gelu::tanh)));
  for (Var (*f)(Var) : {safer::exp, safer::log, safer::erf, square, safer::sqrt}) CHECK_FALSE(is_activation(f(x)));
  CHECK_FALSE(is_activation(softmax(x)));
  CHECK(tape.node(leaky_relu(x, 0.5).id()).op->attributes() == "slope 0.5");
  CHECK(tape.node(relu(x).id()).op->attributes() == "");
  CHECK(tape.node(softmax(x, -1).id()).op->attributes() == "axis -1");
}

TEST_CASE("activation: errors") {
  Tape tape;
  const Var x = tape.input("x", {4});
  const Var indices = tape.input("places", {4}, DType::i64);
  const Var turned = tape.input("turned", ValueType{{3, 2}, 1, DType::f32});
  CHECK_THROWS_WITH_AS(relu(indices), "node 'relu': relu: the input [N, 4] holds i64 numbers, expected reals (f32)", Error);
  CHECK_THROWS_WITH_AS(softmax(indices), "node 'softmax': softmax: the input [N, 4] holds i64 numbers, expected reals (f32)",
                       Error);
  CHECK_THROWS_WITH_AS(softmax(x, 0), "node 'softmax': softmax: axis 0 of [N, 4] is the batch axis; choose an axis within a sample",
                       Error);
  CHECK_THROWS_WITH_AS(log_softmax(turned),
                       "node 'log_softmax': log_softmax: axis -1 of [3, 2N] is the batch axis; choose an axis within a sample",
                       Error);
  CHECK_THROWS_WITH_AS(softmax(x, 2), "node 'softmax': softmax: axis 2 is out of range for shape [1, 4] (expected -2 to 1)", Error);
}

}  // namespace safer::test
