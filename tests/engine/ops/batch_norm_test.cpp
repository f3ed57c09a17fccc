#include <doctest/doctest.h>

#include "engine/ops/norm.h"
#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> batch_norm_cases() {
  struct Sizes {
    const char* label;
    Shape x;
  };
  const Sizes all[] = {{"images", {1, 3, 2, 5}},
                       {"rows", {1, 5}},
                       {"more channels than are worked on together", {1, 11, 3}},
                       {"wider than a vector", {1, 2, 3, 19}},
                       {"two images a sample", {2, 2, 3, 2}}};
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    for (const bool weighted : {false, true})
      for (const Mode mode : {Mode::inference, Mode::training})
        cases.push_back(
            {.op = "batch_norm",
             .label =
                 fmt::format("{}{}{}", sizes.label, weighted ? ", gamma and beta" : "", mode == Mode::training ? ", training" : ""),
             .record =
                 [=](Recording& in) {
                   const Shape own{sizes.x[1]};
                   const Var x = in.input("x", sizes.x);
                   const Var gamma = weighted ? in.parameter("gamma", own, {.low = 0.5, .high = 1.5}, Role::norm) : Var{};
                   const Var beta = weighted ? in.parameter("beta", own, {}, Role::norm) : Var{};
                   return batch_norm(x, gamma, beta, in.parameter("mean", own, {}, Role::buffer),
                                     in.parameter("variance", own, {.low = 0.5, .high = 2}, Role::buffer), {.epsilon = 0.1});
                 },
             .terms = 8,
             .mode = mode});
  return cases;
}

namespace {

using Values = std::vector<double>;

std::string batch_norm_refusal(const ValueType& x, const ValueType& gamma, const ValueType& mean, BatchNormOptions options = {}) {
  return refusal({{"x", x}, {"gamma", gamma}, {"mean", mean}},
                 [&](const std::vector<Var>& in) { batch_norm(in[0], in[1], {}, in[2], in[2], options, "norm"); });
}

}  // namespace

TEST_CASE("batch_norm: inference takes the given statistics") {
  ByHand hand;
  const Var x = hand.input({1, 2, 2}, {1, 3, 10, 20}), mean = hand.shared({2}, {1, 10}), variance = hand.shared({2}, {3, 24});
  const Var gamma = hand.shared({2}, {2, 10}), beta = hand.shared({2}, {5, -1});
  CHECK(hand.value(batch_norm(x, gamma, beta, mean, variance, {.epsilon = 1})) == Values{5, 7, -1, 19});
  CHECK(hand.value(batch_norm(x, {}, beta, mean, variance, {.epsilon = 1})) == Values{5, 6, -1, 1});
  CHECK(hand.value(batch_norm(x, gamma, {}, mean, variance, {.epsilon = 1})) == Values{0, 2, 0, 20});
}

TEST_CASE("batch_norm: training takes those of the batch, whatever the given ones are") {
  // Channel 0: 1 3 5 7, mean 4, variance 5; channel 1: all 2.
  ByHand hand(2);
  hand.data.mode = Mode::training;
  const Var x = hand.input({1, 2, 2}, {1, 3, 2, 2, 5, 7, 2, 2}), other = hand.shared({2}, {-50, 1e6});
  const Values y = hand.value(batch_norm(x, {}, {}, other, other, {.epsilon = 4}));
  CHECK(y == Values{-1, -1.0 / 3, 0, 0, 1.0 / 3, 1, 0, 0});
}

TEST_CASE("batch_norm: a large mean costs no accuracy") {
  ByHand hand(4);
  hand.data.mode = Mode::training;
  const Var x = hand.input({1, 1, 2}, {10000, 10001, 10002, 10003, 10000, 10001, 10002, 10003}), any = hand.shared({1}, {1});
  const double deviation = std::sqrt(1.25);
  const Values y = hand.value<float>(batch_norm(x, {}, {}, any, any, {.epsilon = 0}));
  for (std::size_t i = 0; i < 8; ++i) CHECK(y[i] == doctest::Approx((static_cast<double>(i % 4) - 1.5) / deviation).epsilon(1e-6));
}

TEST_CASE("batch_norm: per-sample gradients exist in inference only") {
  struct EachSample final : GradientSink<float> {
    bool per_sample() const override { return true; }
    void fold(const ParameterGradient<float>&) override {}
  };
  Tape tape;
  const Var x = tape.input("x", {2}), gamma = tape.parameter({.name = "gamma", .shape = {2}}),
            mean = tape.parameter({.name = "mean", .shape = {2}, .role = Role::buffer});
  const Var y = batch_norm(x, gamma, {}, mean, mean);
  for (const Mode mode : {Mode::inference, Mode::training}) {
    Workspace<float> workspace(Plan(tape, {.batch = 2, .mode = mode, .root = y.id(), .gradients = {gamma.id()}}));
    const std::vector<float> values = {1, 2, 3, 4};
    workspace.bind(x, values);
    workspace.replay(Parameters(tape.parameters()));
    EachSample sink;
    if (mode == Mode::inference)
      CHECK_NOTHROW(workspace.reverse(sink));
    else
      CHECK_THROWS_WITH_AS(
          workspace.reverse(sink),
          "per-sample gradients do not exist here: an op computes each sample from others too (batch statistics, or "
          "a sum over the batch)",
          Error);
  }
}

TEST_CASE("batch_norm: its node says what it reads") {
  Tape tape;
  const Var x = tape.input("x", {3}), gamma = tape.parameter({.name = "bn1.weight", .shape = {3}}),
            mean = tape.parameter({.name = "m", .shape = {3}}), variance = tape.parameter({.name = "v", .shape = {3}});
  const Var y = batch_norm(x, gamma, {}, mean, variance, {.epsilon = 0.25});
  const auto node = as_batch_norm(tape.node(y.id()));
  REQUIRE(node.has_value());
  CHECK(tape.node(y.id()).name == "bn1");
  CHECK(node->x == x.id());
  CHECK(node->gamma == gamma.id());
  CHECK(node->beta == no_value);
  CHECK(node->mean == mean.id());
  CHECK(node->variance == variance.id());
  CHECK(node->epsilon == 0.25);
  CHECK_FALSE(as_batch_norm(tape.node(x.id())).has_value());
  CHECK_FALSE(as_batch_norm(tape.node(layer_norm(x).id())).has_value());
}

TEST_CASE("batch_norm: shapes that do not fit are refused") {
  CHECK(batch_norm_refusal({{1, 4}, 0}, {{3}}, {{4}}) == "node 'norm': batch_norm: gamma is [3], expected [4] for x [N, 4]");
  CHECK(batch_norm_refusal({{1, 4, 2}, 0}, {{4}}, {{4, 2}}) ==
        "node 'norm': batch_norm: mean is [4, 2], expected [4] for x [N, 4, 2]");
  CHECK(batch_norm_refusal({{1, 4}, 0}, {{4}, 0}, {{4}}) == "node 'norm': batch_norm: gamma is [4N], expected [4] for x [N, 4]");
  CHECK(batch_norm_refusal({{4, 1}, 1}, {{4}}, {{4}}) ==
        "node 'norm': batch_norm: x is [4, N], expected [N, channels, places...] with the batch first");
  CHECK(batch_norm_refusal({{1, 4}, 0}, {{4}}, {{4}}, {.epsilon = -1}) ==
        "node 'norm': batch_norm: epsilon is -1, expected 0 or more");
}

}  // namespace safer::test
