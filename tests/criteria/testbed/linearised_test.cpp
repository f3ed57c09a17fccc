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

std::vector<double> probabilities(const std::vector<double>& z) {
  std::vector<double> p;
  double sum = 0;
  for (const double value : z) sum += p.emplace_back(std::exp(value));
  for (double& value : p) value /= sum;
  return p;
}

#ifdef SAFER_SANITIZED
constexpr std::uint64_t draws = 1000;
#else
constexpr std::uint64_t draws = 4000;
#endif

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/// |f(perturbed) - f|^2 of the only sample, over some draws.
Estimate squared_damage(const Network& network, const Layer& layer, const Tensor& input, Noise noise, double level, Damage damage,
                        std::uint64_t count = draws) {
  const auto outputs = [&](const Network& of) {
    const Tensor logits = predict(of, input);
    const std::vector<double> z(logits.values<float>().begin(), logits.values<float>().end());
    return damage == Damage::logits ? z : probabilities(z);
  };
  const std::vector<double> clean = outputs(network);
  std::vector<double> squares;
  Network noisy = network;
  for (std::uint64_t key = 0; key < count; ++key) {
    noisy.parameters = perturbed(network.parameters, layer, noise, level, key);
    squares.push_back(squared_distance(outputs(noisy), clean));
  }
  return estimate(squares);
}

/// Q(W) - W of a weight of an mlp(), by the definition.
std::vector<double> rounding_error(std::span<const float> w, double level) {
  double M = 0;
  for (const float value : w) M = std::max(M, std::abs(double{value}));
  std::vector<double> error;
  for (const float value : w) error.push_back(level * M * std::nearbyint(value / (level * M)) - value);
  return error;
}

/// The logits of an mlp() with biases for one sample, in plain loops, with `change` added to the weight of one layer.
std::vector<double> plain_logits(const Network& network, std::span<const float> sample, std::size_t layer,
                                 const std::vector<double>& change) {
  std::vector<double> x(sample.begin(), sample.end());
  for (std::size_t l = 0; l < network.tape.layers().size(); ++l) {
    const auto w = network.parameters["layers." + std::to_string(l) + ".weight"].values<float>();
    const auto b = network.parameters["layers." + std::to_string(l) + ".bias"].values<float>();
    std::vector<double> y(b.begin(), b.end());
    for (std::size_t o = 0; o < y.size(); ++o)
      for (std::size_t i = 0; i < x.size(); ++i)
        y[o] += (w[o * x.size() + i] + (l == layer ? change[o * x.size() + i] : 0)) * (l > 0 ? std::max(0.0, x[i]) : x[i]);
    x = std::move(y);
  }
  return x;
}

/// |J mu| of one sample by central differences.
double along(const Network& network, std::span<const float> sample, std::size_t layer, const std::vector<double>& mu,
             Damage damage) {
  constexpr double h = 1e-5;
  const auto moved = [&](double by) {
    std::vector<double> change = mu;
    for (double& value : change) value *= by;
    const std::vector<double> z = plain_logits(network, sample, layer, change);
    return damage == Damage::logits ? z : probabilities(z);
  };
  return std::sqrt(squared_distance(moved(h), moved(-h))) / (2 * h);
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

TEST_CASE("linearised: rounding is the derivative along its own error, averaged over samples and levels") {
  const Network network = mlp({4, 7, 5, 3}, true, 1);
  const Tensor inputs = random_tensor({35, 4}, 2);  // more samples than run at once
  const std::vector<Layer> layers = network.tape.layers();
  const std::vector<double> levels = {0.02, 1.0 / 7, 1};
  for (const Damage damage : {Damage::logits, Damage::probabilities}) {
    const std::vector<double> predicted = linearised_damage(network, layers, inputs, Noise::rounding, levels, damage);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      CAPTURE(layers[layer].name);
      double expected = 0;
      for (const double level : levels) {
        const std::vector<double> mu = rounding_error(network.parameters[layers[layer].parameter].values<float>(), level);
        for (std::size_t sample = 0; sample < 35; ++sample)
          expected += along(network, inputs.values<float>().subspan(4 * sample, 4), layer, mu, damage);
      }
      CHECK(predicted[layer] == doctest::Approx(expected / static_cast<double>(35 * levels.size())).epsilon(1e-4));
    }
  }
}

TEST_CASE("linearised: the finer it is rounded, the closer is the prediction to the damage") {
  const Network network = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}, .seed = 3});
  const Tensor input = random_tensor({1, 2}, 4);
  const std::vector<Layer> layers = network.tape.layers();
  for (const Damage damage : {Damage::logits, Damage::probabilities}) {
    double worst[2] = {};
    for (int fine = 0; fine < 2; ++fine) {
      const std::vector<double> levels = {fine ? 0.002 : 0.2};
      const std::vector<double> predicted = linearised_damage(network, layers, input, Noise::rounding, levels, damage);
      for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        const double measured = squared_damage(network, layers[layer], input, Noise::rounding, levels[0], damage, 1).mean;
        if (measured > 0) worst[fine] = std::max(worst[fine], std::abs(predicted[layer] / std::sqrt(measured) - 1));
      }
    }
    CHECK(worst[1] < 0.02);
    CHECK(worst[0] > 5 * worst[1]);
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
  const std::vector<double> rounded = linearised_damage(network, layers, input, Noise::rounding, levels, Damage::logits);
  for (std::size_t layer = 0; layer < 2; ++layer)
    CHECK(
        rounded[layer] * rounded[layer] ==
        doctest::Approx(squared_damage(network, layers[layer], input, Noise::rounding, 0.5, Damage::logits, 1).mean).epsilon(1e-4));
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
