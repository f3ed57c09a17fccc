#include "criteria/testbed/linearised.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "criteria/testbed/partial_order.h"
#include "engine/error.h"
#include "engine/ops/linear.h"
#include "models/evaluation.h"
#include "models/moons.h"
#include "tests/criteria/small_networks.h"

using namespace safer;
using safer::test::fill_randomly;
using safer::test::mlp;
using safer::test::random_tensor;

namespace {

std::vector<double> probabilities(std::span<const float> z) {
  std::vector<double> p;
  double sum = 0;
  for (const float value : z) sum += p.emplace_back(std::exp(double{value}));
  for (double& value : p) value /= sum;
  return p;
}

#ifdef SAFER_SANITIZED
constexpr std::uint64_t draws = 1000;
#else
constexpr std::uint64_t draws = 4000;
#endif

/// |f(perturbed) - f|^2 of the only sample, over many draws.
Estimate squared_damage(const Network& network, const Layer& layer, const Tensor& input, Noise noise, double level, Damage damage) {
  const Tensor clean = predict(network, input);
  std::vector<double> squares;
  Network noisy = network;
  for (std::uint64_t key = 0; key < draws; ++key) {
    noisy.parameters = perturbed(network.parameters, layer, noise, level, key);
    const Tensor changed = predict(noisy, input);
    const auto z = changed.values<float>(), z0 = clean.values<float>();
    const std::vector<double> a = damage == Damage::logits ? std::vector<double>(z.begin(), z.end()) : probabilities(z);
    const std::vector<double> b = damage == Damage::logits ? std::vector<double>(z0.begin(), z0.end()) : probabilities(z0);
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    squares.push_back(sum);
  }
  return estimate(squares);
}

}  // namespace

TEST_CASE("linearised: exact for what is linear in the weights, at any level") {
  const Network network = mlp({5, 3}, true, 1);
  const Tensor input = random_tensor({1, 5}, 2);
  const std::vector<Layer> layers = network.tape.layers();
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse})
    for (const double level : {0.1, 0.7}) {
      CAPTURE(static_cast<int>(noise));
      const std::vector<double> levels = {level};
      const double predicted = linearised_damage(network, layers, input, noise, levels, Damage::logits)[0];
      const Estimate measured = squared_damage(network, layers[0], input, noise, level, Damage::logits);
      CHECK(std::abs(predicted * predicted - measured.mean) <= 5 * measured.error);
    }
}

TEST_CASE("linearised: right for small noise on a deep network, for logits and probabilities") {
  Network network = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}, .seed = 3});
  const Tensor input = random_tensor({1, 2}, 4);
  const std::vector<Layer> layers = network.tape.layers();
  const std::vector<double> levels = {0.002};
  for (const Damage damage : {Damage::logits, Damage::probabilities}) {
    const std::vector<double> predicted = linearised_damage(network, layers, input, Noise::gaussian, levels, damage);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      CAPTURE(layers[layer].name);
      const Estimate measured = squared_damage(network, layers[layer], input, Noise::gaussian, levels[0], damage);
      CHECK(predicted[layer] * predicted[layer] ==
            doctest::Approx(measured.mean).epsilon(0.02 + 5 * measured.error / measured.mean));
    }
  }
}

TEST_CASE("linearised: parts of a weight are layers of their own") {
  Network network{.name = "parts"};
  const Var x = network.tape.input("x", {4});
  const Var W = network.tape.parameter({.name = "W", .shape = {3, 4}, .parts = {{"a", {0, 1}}, {"b", {1, 3}}}});
  network.input = x.id();
  network.logits = linear(x, W).id();
  fill_randomly(network, 1);
  const std::vector<Layer> layers = network.tape.layers();
  const Tensor input = random_tensor({1, 4}, 2);
  const std::vector<double> levels = {0.5};
  const std::vector<double> predicted = linearised_damage(network, layers, input, Noise::zero, levels, Damage::logits);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const Estimate measured = squared_damage(network, layers[layer], input, Noise::zero, 0.5, Damage::logits);
    CHECK(std::abs(predicted[layer] * predicted[layer] - measured.mean) <= 5 * measured.error);
  }
}

TEST_CASE("linearised: random signs stand for many outputs") {
  // The squares of 40 outputs from 16 sweeps: right on average over samples.
  const Network network = mlp({6, 40}, false, 5);
  const Tensor inputs = random_tensor({64, 6}, 6);
  const std::vector<double> levels = {0.3};
  const double found = linearised_damage(network, network.tape.layers(), inputs, Noise::gaussian, levels, Damage::logits)[0];
  double expected = 0;  // sigma sqrt(40) |x|
  for (std::size_t i = 0; i < 64; ++i) {
    double squares = 0;
    for (const float x : inputs.values<float>().subspan(6 * i, 6)) squares += double{x} * x;
    expected += 0.3 * largest_weight(network.parameters, network.tape.layers()[0]) * std::sqrt(40 * squares) / 64;
  }
  CHECK(found == doctest::Approx(expected).epsilon(1e-4));  // signs square to one, and outputs share no weights
}

TEST_CASE("linearised: errors") {
  const Network network = mlp({2, 2}, false, 5);
  const std::vector<double> levels = {0.3};
  CHECK_THROWS_WITH_AS(
      linearised_damage(network, network.tape.layers(), random_tensor({2, 2}, 1), Noise::zero, levels, Damage::accuracy),
      "linearised damage: accuracy has no derivative; choose logits or probabilities", Error);
  CHECK_THROWS_AS(linearised_damage(network, network.tape.layers(), random_tensor({2, 3}, 1), Noise::zero, levels, Damage::logits),
                  Error);
  CHECK_THROWS_AS(
      linearised_damage(network, network.tape.layers(), Tensor(DType::f32, {0, 2}), Noise::zero, levels, Damage::logits), Error);
}
