#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "criteria/relevance/noise_sweep.h"
#include "criteria/relevance/smoothgrad.h"
#include "criteria/relevance/vargrad.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

/// logit = b^T A x: quadratic in all weights together, linear in each. A: [hidden, in], b: [1, hidden].
Network bilinear(std::int64_t in, std::int64_t hidden, std::uint64_t seed) {
  Network network{.name = "bilinear", .tape = {}, .parameters = {}};
  const Var x = network.tape.input("x", Shape{in});
  const Var A = network.tape.parameter({.name = "A", .shape = {hidden, in}});
  const Var b = network.tape.parameter({.name = "b", .shape = {1, hidden}});
  network.input = x.id();
  network.logits = linear(linear(x, A), b).id();
  test::fill_randomly(network, seed);
  return network;
}

double deviation(const Network& network, int weight, double noise) {
  const auto [least, most] = std::ranges::minmax(network.parameters[weight].values<float>());
  return noise * (double{most} - double{least});
}

std::vector<double> mean_sample(const Tensor& inputs) {
  const auto width = static_cast<std::size_t>(inputs.shape()[1]);
  std::vector<double> mean(width);
  for (std::size_t i = 0; i < inputs.values<float>().size(); ++i)
    mean[i % width] += double{inputs.values<float>()[i]} / static_cast<double>(inputs.shape()[0]);
  return mean;
}

}  // namespace

using test::mlp;
using test::random_tensor;
using test::relevance_of;

TEST_CASE("noise has the deviation it should, and follows from seed, name and draw") {
  const Tensor weights = random_tensor({100, 100}, 1);
  const std::span<const float> w = weights.values<float>();
  const auto [least, most] = std::ranges::minmax(w);
  std::vector<float> a(w.size()), b(w.size());
  add_noise(a, w, 0.05, "layer", 7, 3);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double difference = double{a[i]} - double{w[i]};
    sum += difference, squares += difference * difference;
  }
  const double sigma = 0.05 * (most - least), n = static_cast<double>(w.size());
  CHECK(std::abs(sum / n) < 4 * sigma / std::sqrt(n));
  CHECK(std::sqrt(squares / n) == doctest::Approx(sigma).epsilon(4 / std::sqrt(2 * n)));
  add_noise(b, w, 0.05, "layer", 7, 3);
  CHECK(a == b);
  add_noise(b, w, 0.05, "layer", 7, 4);
  CHECK(a != b);
  add_noise(b, w, 0.05, "other", 7, 3);
  CHECK(a != b);
  add_noise(b, w, 0.05, "layer", 8, 3);
  CHECK(a != b);
  add_noise(b, w, 0, "layer", 7, 3);
  CHECK(std::ranges::equal(b, w));
}

TEST_CASE("without noise SmoothGrad is the gradient and VarGrad 0") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({23, 3}, 4);
  const auto gradient = relevance_of(network, inputs, {.preset = "paper", .criteria = {"gradient"}, .target = "pseudo-ce"});
  const auto smooth =
      relevance_of(network, inputs, {.preset = "paper", .criteria = {"smoothgrad"}, .target = "pseudo-ce", .noise = 0});
  const auto square = relevance_of(network, inputs, {.criteria = {"smoothgrad"}, .noise = 0});
  const auto variance = relevance_of(network, inputs, {.criteria = {"vargrad"}, .noise = 0});
  for (std::size_t l = 0; l < gradient.size(); ++l)
    for (std::size_t i = 0; i < gradient[l].size(); ++i) {
      CHECK(smooth[l][i] == doctest::Approx(gradient[l][i]).epsilon(1e-6));
      CHECK(square[l][i] == doctest::Approx(std::abs(gradient[l][i])).epsilon(1e-6));
      CHECK(variance[l][i] == 0);
    }
}

TEST_CASE("SmoothGrad tends to the gradient, VarGrad to 0 with the square of the noise") {
  // A smooth network: below, halving the noise must quarter the variance.
  const Network network = bilinear(3, 5, 2);
  const Tensor inputs = random_tensor({20, 3}, 4);
  const auto wide = relevance_of(network, inputs, {.criteria = {"vargrad"}, .noise = 0.02});
  const auto half = relevance_of(network, inputs, {.criteria = {"vargrad"}, .noise = 0.01});
  for (std::size_t l = 0; l < wide.size(); ++l)
    for (std::size_t i = 0; i < wide[l].size(); ++i) CHECK(wide[l][i] == doctest::Approx(4 * half[l][i]).epsilon(1e-3));
}

TEST_CASE("a linear network has no variance, and its gradient whatever the noise") {
  const Network network = mlp({3, 1}, true, 3);
  const Tensor inputs = random_tensor({23, 3}, 4);
  const std::vector<double> mean = mean_sample(inputs);
  const auto smooth = relevance_of(network, inputs, {.preset = "paper", .criteria = {"smoothgrad"}, .noise = 0.5});
  const auto variance = relevance_of(network, inputs, {.preset = "paper", .criteria = {"vargrad"}, .noise = 0.5});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(smooth[0][i] == doctest::Approx(mean[i]).epsilon(1e-5));
    CHECK(variance[0][i] == 0);
  }
}

TEST_CASE("a quadratic target in closed form") {
  // F = b^T A x: dF/db = A x varies with the noise of A alone, which gives sigma_A^2 |mean x|^2; dF/dA_ij = b_i x_j gives sigma_b^2
  // (mean x_j)^2. The means over draws are those at the weights.
  const Network network = bilinear(3, 5, 2);
  const Tensor inputs = random_tensor({20, 3}, 4);
  const std::vector<double> mean = mean_sample(inputs);
  const int draws = 20000;
  const double noise = 0.1, sigma_A = deviation(network, 0, noise), sigma_b = deviation(network, 1, noise);
  const RankOptions options{.preset = "paper", .criteria = {"vargrad"}, .draws = draws, .noise = noise};
  const auto variance = relevance_of(network, inputs, options);
  const double length = mean[0] * mean[0] + mean[1] * mean[1] + mean[2] * mean[2];
  const double tolerance = 5 * std::sqrt(2.0 / draws);  // five times the deviation of a variance of normal numbers
  for (const double value : variance[1]) CHECK(value == doctest::Approx(sigma_A * sigma_A * length).epsilon(tolerance));
  for (std::size_t i = 0; i < variance[0].size(); ++i)
    CHECK(variance[0][i] == doctest::Approx(sigma_b * sigma_b * mean[i % 3] * mean[i % 3]).epsilon(tolerance));

  const auto smooth =
      relevance_of(network, inputs, {.preset = "paper", .criteria = {"smoothgrad"}, .draws = draws, .noise = noise});
  const std::span<const float> A = network.parameters[0].values<float>();
  for (std::size_t o = 0; o < 5; ++o) {
    const double at_weights = A[3 * o] * mean[0] + A[3 * o + 1] * mean[1] + A[3 * o + 2] * mean[2];
    CHECK(std::abs(smooth[1][o] - at_weights) < 5 * sigma_A * std::sqrt(length / draws));
  }
}

TEST_CASE("the recommended SmoothGrad is the root of squared mean and variance, from the same draws") {
  const Network network = mlp({3, 9, 4}, true, 3);
  const Tensor inputs = random_tensor({23, 3}, 4);
  const RankOptions paper{.preset = "paper", .target = "margin", .seed = 5};
  RankOptions options = paper;
  options.criteria = {"smoothgrad"};
  const auto mean = relevance_of(network, inputs, options);
  options.criteria = {"vargrad"};
  const auto variance = relevance_of(network, inputs, options);
  options.criteria = {"smoothgrad"}, options.preset = "recommended";
  const auto root = relevance_of(network, inputs, options);
  for (std::size_t l = 0; l < mean.size(); ++l)
    for (std::size_t i = 0; i < mean[l].size(); ++i)
      CHECK(root[l][i] == doctest::Approx(std::sqrt(mean[l][i] * mean[l][i] + variance[l][i])).epsilon(1e-5));
}

TEST_CASE("SmoothGrad and VarGrad share their draws, and the seed chooses them") {
  const Network network = mlp({3, 9, 4}, true, 3);
  const Tensor inputs = random_tensor({23, 3}, 4);
  for (const char* preset : {"paper", "recommended"}) {
    const RankResult result = rank_layers(network, inputs, {.preset = preset, .criteria = {"smoothgrad", "vargrad"}, .draws = 7});
    CHECK(result.sweeps == 7);
    CHECK(result.reports[1].draws == 7);
    CHECK(result.reports[1].noise == 0.05);
    CHECK(result.reports[1].path.empty());
    CHECK(result.reports[0].resampled == (std::string(preset) == "paper"));
    CHECK_FALSE(result.reports[1].resampled);
  }
  const auto one = relevance_of(network, inputs, {.criteria = {"vargrad"}, .seed = 1});
  const auto two = relevance_of(network, inputs, {.criteria = {"vargrad"}, .seed = 2});
  CHECK(test::difference(one[0], two[0]) > 1e-3);
}

}  // namespace safer
