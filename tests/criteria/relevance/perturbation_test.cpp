// ablation and perturbation against textbook loops in double.
#include "models/perturbation.h"

#include <doctest/doctest.h>

#include <cmath>

#include "criteria/layer_scores.h"
#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::mlp;
using test::random_tensor;

std::vector<double> probabilities(const Network& network, std::span<const float> sample) {
  std::vector<double> p = test::PlainMlp(network).logits(sample);
  double sum = 0;
  for (double& value : p) sum += value = std::exp(value);
  for (double& value : p) value /= sum;
  return p;
}

/// The mean over samples of the distance of the probabilities of two networks.
double mean_distance(const Network& a, const Network& b, const Tensor& inputs) {
  const auto n = static_cast<std::size_t>(inputs.shape()[0]), width = static_cast<std::size_t>(inputs.shape()[1]);
  double sum = 0;
  for (std::size_t s = 0; s < n; ++s) {
    const std::span<const float> sample = inputs.values<float>().subspan(s * width, width);
    const std::vector<double> p = probabilities(a, sample), q = probabilities(b, sample);
    double squares = 0;
    for (std::size_t k = 0; k < p.size(); ++k) squares += (p[k] - q[k]) * (p[k] - q[k]);
    sum += std::sqrt(squares) / static_cast<double>(n);
  }
  return sum;
}

constexpr double levels[] = {0.125, 0.375, 0.625, 0.875};

}  // namespace

TEST_CASE("ablation: the mean distance of the probabilities while a layer shrinks") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({50, 3}, 4);
  const auto phi = test::relevance_of(network, inputs, {.criteria = {"ablation"}});
  REQUIRE(phi.size() == 3);
  for (std::size_t layer = 0; layer < phi.size(); ++layer) {
    double expected = 0;
    for (const double level : levels)
      expected += mean_distance(test::scaled(network, static_cast<int>(2 * layer), static_cast<float>(level)), network, inputs) / 4;
    REQUIRE(phi[layer].size() == 1);
    CHECK(phi[layer][0] == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("ablation: the parts of a weight shrink one at a time") {
  Network network{.name = "parts", .tape = {}, .parameters = {}};
  const Var x = network.tape.input("x", Shape{3});
  network.input = x.id();
  const Var first = network.tape.parameter({.name = "layers.0.weight", .shape = {6, 3}, .parts = {{"a", {0, 2}}, {"b", {2, 6}}}});
  const Var second = network.tape.parameter({.name = "layers.1.weight", .shape = {4, 6}});
  network.logits = linear(relu(linear(x, first)), second).id();
  test::fill_randomly(network, 4);
  const Tensor inputs = random_tensor({40, 3}, 5);
  std::int64_t done = 0, total = 0;
  const RankOptions options{
      .criteria = {"ablation"}, .resamples = 0, .progress = [&](std::int64_t now, std::int64_t of) { done = now, total = of; }};
  const RankReport report = rank_layers(network, inputs, options).reports[0];
  CHECK(done == total);
  CHECK(total == 40 * (1 + 3 * 8));  // three layers, although two weights
  REQUIRE(report.layers.size() == 3);
  for (std::size_t part = 0; part < 2; ++part) {
    double expected = 0;
    for (const double level : levels) {
      Network moved = network;
      const std::span<float> w = moved.parameters.mutable_values<float>(0);
      for (std::size_t i = part == 0 ? 0 : 6; i < (part == 0 ? 6u : 18u); ++i) w[i] *= static_cast<float>(level);
      expected += mean_distance(moved, network, inputs) / 4;
    }
    CHECK(report.layers[part].score == doctest::Approx(expected).epsilon(1e-5));
  }
}

TEST_CASE("perturbation: the geometric mean of ablation, twice, and of the distance under noise") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({256, 3}, 4);
  const auto both = test::relevance_of(network, inputs, {.criteria = {"perturbation"}}),
             shrunk = test::relevance_of(network, inputs, {.criteria = {"ablation"}});
  const std::vector<Layer> layers = network.tape.layers();
  const Tensor some = random_tensor({32, 3}, 7);
  for (std::size_t layer = 0; layer < both.size(); ++layer) {
    const double noisy = std::pow(both[layer][0], 3) / (shrunk[layer][0] * shrunk[layer][0]);
    double expected = 0;
    constexpr int draws = 60;
    for (const double level : levels)
      for (std::uint64_t draw = 0; draw < draws; ++draw) {
        Network moved = network;
        moved.parameters = perturbed(network.parameters, layers[layer], Noise::gaussian, level, draw + 1000);
        expected += mean_distance(moved, network, some) / (4 * draws);
      }
    CHECK(noisy == doctest::Approx(expected).epsilon(0.2));  // 64 draws of ours, whose mean varies by 5 %
  }
}

TEST_CASE("perturbation: the same whatever the batches and the other criteria; the seed draws the noise") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({50, 3}, 4);
  const auto score = [&](RankOptions options) {
    if (options.criteria.empty()) options.criteria = {"perturbation"};
    return rank_layers(network, inputs, options).reports[0].layers[0].score;
  };
  CHECK(score({.batch = 3}) == doctest::Approx(score({})).epsilon(1e-6));
  CHECK(score({.batch = 1000}) == score({}));
  CHECK(score({.criteria = {"perturbation", "ablation", "gradient", "hsic"}}) == doctest::Approx(score({})).epsilon(1e-6));
  CHECK(score({.seed = 1}) != score({}));
  CHECK(score({.seed = 1}) == doctest::Approx(score({})).epsilon(0.5));
}

}  // namespace safer
