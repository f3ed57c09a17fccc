// hessian-trace against the closed form for networks of ReLUs.
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

/// tr(d^2 F / dW^2) mean(w^2), F being the mean cross-entropy of what the network answers. Its logits z are linear in W but where a
/// ReLU changes sides, so that the Hessian is J' (diag(p) - p p') J with J = dz / dW.
double expected_trace(const Network& network, std::size_t layer, const Tensor& inputs) {
  const test::PlainMlp plain(network);
  const auto n = static_cast<std::size_t>(inputs.shape()[0]), width = static_cast<std::size_t>(inputs.shape()[1]);
  double trace = 0, squares = 0;
  for (std::size_t s = 0; s < n; ++s) {
    const std::span<const float> sample = inputs.values<float>().subspan(s * width, width);
    std::vector<double> p = plain.logits(sample), mean(plain.weight(layer).size());
    double sum = 0;
    for (double& value : p) sum += value = std::exp(value);
    for (std::size_t k = 0; k < p.size(); ++k) {
      std::vector<double> one(p.size());
      one[k] = 1;
      const std::vector<double> row = plain.gradients(sample, one)[layer];
      for (std::size_t i = 0; i < row.size(); ++i) {
        trace += p[k] / sum * row[i] * row[i];
        mean[i] += p[k] / sum * row[i];
      }
    }
    for (const double value : mean) trace -= value * value;
  }
  for (const double w : plain.weight(layer)) squares += w * w;
  return trace / static_cast<double>(n) * squares / static_cast<double>(plain.weight(layer).size());
}

}  // namespace

TEST_CASE("hessian-trace: the mean over many vectors is the trace times the mean square of the weights") {
  const Network network = mlp({3, 5, 4}, true, 3);
  const Tensor inputs = random_tensor({40, 3}, 4);
  const auto phi = test::relevance_of(network, inputs, {.criteria = {"hessian-trace"}, .steps = 1500});
  REQUIRE(phi.size() == 2);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const double expected = expected_trace(network, layer, inputs);
    CHECK(expected > 0);
    REQUIRE(phi[layer].size() == 1);
    CHECK(phi[layer][0] == doctest::Approx(expected).epsilon(0.05));
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
    return rank_layers(network, inputs, {.criteria = {"hessian-trace"}, .steps = 200, .resamples = 0}).reports[0].layers;
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
  score({.steps = 3, .resamples = 0, .progress = [&](std::int64_t now, std::int64_t of) { done = now, total = of; }});
  CHECK(done == total);
  CHECK(total == 50 * 6);
}

TEST_CASE("hessian-trace: a sample without an answer leaves no layer a number") {
  const Network network = mlp({3, 9, 4}, true, 3);
  Tensor inputs = random_tensor({20, 3}, 4);
  inputs.mutable_values<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  const RankResult result = rank_layers(network, inputs, {.criteria = {"hessian-trace"}, .resamples = 0});
  for (const RankedLayer& layer : result.reports[0].layers) CHECK(std::isnan(layer.score));
}

}  // namespace safer
