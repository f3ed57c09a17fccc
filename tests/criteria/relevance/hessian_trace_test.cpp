// hessian-trace against second differences of a textbook network in double.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::mlp;
using test::random_tensor;

/// The mean cross-entropy of what `own` answers.
double pseudo_loss(const Network& network, const Network& own, const Tensor& inputs) {
  const auto n = static_cast<std::size_t>(inputs.shape()[0]), width = static_cast<std::size_t>(inputs.shape()[1]);
  double sum = 0;
  for (std::size_t s = 0; s < n; ++s) {
    const std::span<const float> sample = inputs.values<float>().subspan(s * width, width);
    const std::vector<double> answers = test::PlainMlp(own).logits(sample), z = test::PlainMlp(network).logits(sample);
    double partition = 0;
    for (const double logit : z) partition += std::exp(logit);
    sum += std::log(partition) - z[static_cast<std::size_t>(std::ranges::max_element(answers) - answers.begin())];
  }
  return sum / static_cast<double>(n);
}

/// tr(d^2 F / dW^2) mean(w^2) by moving one weight at a time.
double expected_trace(const Network& network, int parameter, const Tensor& inputs) {
  constexpr float step = 1.0f / 1024;  // few ReLUs change sides within it
  double trace = 0, squares = 0;
  const std::size_t count = network.parameters[parameter].values<float>().size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto loss = [&](float change) {
      Network moved = network;
      moved.parameters.mutable_values<float>(parameter)[i] += change;
      return pseudo_loss(moved, network, inputs);
    };
    const double w = double{network.parameters[parameter].values<float>()[i]};
    squares += w * w;
    trace += (loss(step) - 2 * loss(0) + loss(-step)) / (step * step);
  }
  return trace * squares / static_cast<double>(count);
}

}  // namespace

TEST_CASE("hessian-trace: the mean over many vectors is the trace times the mean square of the weights") {
  const Network network = mlp({3, 5, 4}, true, 3);
  const Tensor inputs = random_tensor({40, 3}, 4);
  const auto phi = test::relevance_of(network, inputs, {.criteria = {"hessian-trace"}, .steps = 1500});
  REQUIRE(phi.size() == 2);
  for (int layer = 0; layer < 2; ++layer) {
    const double expected = expected_trace(network, 2 * layer, inputs);
    CHECK(expected > 0);
    REQUIRE(phi[static_cast<std::size_t>(layer)].size() == 1);
    CHECK(phi[static_cast<std::size_t>(layer)][0] == doctest::Approx(expected).epsilon(0.05));
  }
}

TEST_CASE("hessian-trace: the parts of a weight have traces of their own, which add up to that of the whole") {
  const auto build = [](std::vector<Part> parts) {
    Network network{.name = "parts", .tape = {}, .parameters = {}};
    const Var x = network.tape.input("x", Shape{3});
    network.input = x.id();
    const Var first = network.tape.parameter({.name = "layers.0.weight", .shape = {6, 3}, .parts = std::move(parts)});
    network.logits = linear(relu(linear(x, first)), network.tape.parameter({.name = "layers.1.weight", .shape = {4, 6}})).id();
    test::fill_randomly(network, 4);
    for (float& w : network.parameters.mutable_values<float>(0)) w = std::copysign(0.5f, w);  // mean squares are all alike
    return network;
  };
  const Tensor inputs = random_tensor({40, 3}, 5);
  const auto scores = [&](const Network& network) {
    return rank_layers(network, inputs, {.criteria = {"hessian-trace"}, .resamples = 0}).reports[0].layers;
  };
  const auto apart = scores(build({{"a", {0, 2}}, {"b", {2, 6}}})), whole = scores(build({}));
  REQUIRE(apart.size() == 3);
  REQUIRE(whole.size() == 2);
  CHECK(apart[0].score + apart[1].score == doctest::Approx(whole[0].score).epsilon(1e-9));
  CHECK(apart[2].score == doctest::Approx(whole[1].score).epsilon(1e-9));
}

TEST_CASE("hessian-trace: batches change nothing, seeds draw other vectors, and progress ends where it should") {
  const Network network = mlp({3, 9, 4}, true, 3);
  const Tensor inputs = random_tensor({50, 3}, 4);
  const auto score = [&](RankOptions options) {
    options.criteria = {"hessian-trace"};
    return rank_layers(network, inputs, options).reports[0].layers[0].score;
  };
  CHECK(score({.batch = 3}) == score({}));
  CHECK(score({.seed = 1}) != score({}));
  std::int64_t done = 0, total = 0;
  score({.steps = 3, .progress = [&](std::int64_t now, std::int64_t of) { done = now, total = of; }});
  CHECK(done == total);
  CHECK(total == 50 * 6);
}

TEST_CASE("hessian-trace: a sample without an answer leaves no layer a number") {
  const Network network = mlp({3, 9, 4}, true, 3);
  Tensor inputs = random_tensor({20, 3}, 4);
  inputs.mutable_values<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  for (const RankedLayer& layer : rank_layers(network, inputs, {.criteria = {"hessian-trace"}, .resamples = 0}).reports[0].layers)
    CHECK(std::isnan(layer.score));
}

}  // namespace safer
