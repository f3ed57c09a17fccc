#include "criteria/testbed/linearised.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "criteria/testbed/partial_order.h"
#include "engine/error.h"
#include "engine/ops/linear.h"
#include "models/evaluation.h"
#include "models/moons.h"
#include "tests/criteria/numbers.h"
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

std::vector<double> outputs(const std::vector<double>& z, Damage damage) { return damage == Damage::logits ? z : probabilities(z); }

/// The distance of the outputs of one sample under real noise, over some draws.
Estimate measured(const Network& network, const Layer& layer, const Tensor& input, Noise noise, double level, Damage damage,
                  std::uint64_t count = draws) {
  const auto run = [&](const Network& of) {
    const Tensor logits = predict(of, input);
    return outputs({logits.values<float>().begin(), logits.values<float>().end()}, damage);
  };
  const std::vector<double> clean = run(network);
  std::vector<double> distances;
  Network noisy = network;
  for (std::uint64_t key = 0; key < count; ++key) {
    noisy.parameters = perturbed(network.parameters, layer, noise, level, key);
    distances.push_back(test::distance(run(noisy), clean));
  }
  return estimate(distances);
}

std::vector<Damages> damage_by(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise,
                               std::span<const double> levels, std::uint64_t seed) {
  return linearised_damage(network, layers, inputs, std::vector{SeededNoise{noise, seed}}, levels).front();
}

/// The same sample so many times: the prediction draws for each of them.
Tensor repeated(const Tensor& input, std::int64_t times) {
  std::vector<float> all;
  for (std::int64_t i = 0; i < times; ++i) all.insert(all.end(), input.values<float>().begin(), input.values<float>().end());
  return Tensor::of<float>({times, input.shape()[1]}, all);
}

// 128 samples with up to 16 draws each, which deviate by 2 % at most.
constexpr std::int64_t samples = 128;
constexpr double of_draws = 0.06;

void check_close(double predicted, const Estimate& real) {
  constexpr double of_floats = 1e-6;
  CHECK(std::abs(predicted - real.mean) <= 5 * real.error + of_draws * real.mean + of_floats);
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

/// How far one sample's outputs are when its logits move by J mu, found by central differences.
double along(const Network& network, std::span<const float> sample, std::size_t layer, const std::vector<double>& mu,
             Damage damage) {
  constexpr double h = 1e-5;
  const auto moved = [&](double by) {
    std::vector<double> change = mu;
    for (double& value : change) value *= by;
    return plain_logits(network, sample, layer, change);
  };
  const std::vector<double> clean = moved(0), ahead = moved(h), behind = moved(-h);
  std::vector<double> there = clean;
  for (std::size_t c = 0; c < there.size(); ++c) there[c] += (ahead[c] - behind[c]) / (2 * h);
  return test::distance(outputs(there, damage), outputs(clean, damage));
}

}  // namespace

TEST_CASE("linearised: right for what is linear in the weights, at any level") {
  const Network network = mlp({5, 3}, true, 1);
  const Tensor input = random_tensor({1, 5}, 2), inputs = repeated(input, samples);
  const std::vector<Layer> layers = network.tape.layers();
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse})
    for (const double level : {0.02, 0.1, 0.7, 1.0})
      for (const Damage damage : {Damage::logits, Damage::probabilities}) {
        CAPTURE(static_cast<int>(noise));
        CAPTURE(level);
        const std::vector<double> levels = {level};
        check_close(of(damage_by(network, layers, inputs, noise, levels, 3)[0], damage),
                    measured(network, layers[0], input, noise, level, damage));
      }
}

TEST_CASE("linearised: right for small noise on a deep network, for logits and probabilities") {
  Network network = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}, .seed = 3});
  const Tensor input = random_tensor({1, 2}, 4);
  const std::vector<Layer> layers = network.tape.layers();
  const std::vector<double> levels = {0.002};
  const std::vector<Damages> predicted = damage_by(network, layers, repeated(input, samples), Noise::gaussian, levels, 3);
  for (const Damage damage : {Damage::logits, Damage::probabilities})
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      CAPTURE(layers[layer].name);
      check_close(of(predicted[layer], damage), measured(network, layers[layer], input, Noise::gaussian, levels[0], damage));
    }
}

TEST_CASE("linearised: rounding is the derivative along its own error, averaged over samples and levels") {
  const Network network = mlp({4, 7, 5, 3}, true, 1);
  const Tensor inputs = random_tensor({35, 4}, 2);  // more samples than run at once
  const std::vector<Layer> layers = network.tape.layers();
  const std::vector<double> levels = {0.02, 1.0 / 7, 1};
  const std::vector<Damages> predicted = damage_by(network, layers, inputs, Noise::rounding, levels, 0);
  for (const Damage damage : {Damage::logits, Damage::probabilities}) {
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      CAPTURE(layers[layer].name);
      double expected = 0;
      for (const double level : levels) {
        const std::vector<double> mu = rounding_error(network.parameters[layers[layer].parameter].values<float>(), level);
        for (std::size_t sample = 0; sample < 35; ++sample)
          expected += along(network, inputs.values<float>().subspan(4 * sample, 4), layer, mu, damage);
      }
      CHECK(of(predicted[layer], damage) == doctest::Approx(expected / static_cast<double>(35 * levels.size())).epsilon(1e-4));
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
      const std::vector<Damages> predicted = damage_by(network, layers, input, Noise::rounding, levels, 0);
      for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        const double real = measured(network, layers[layer], input, Noise::rounding, levels[0], damage, 1).mean;
        if (real > 0) worst[fine] = std::max(worst[fine], std::abs(of(predicted[layer], damage) / real - 1));
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
  for (const Noise noise : {Noise::zero, Noise::gaussian}) {
    const std::vector<Damages> predicted = damage_by(network, layers, repeated(input, samples), noise, levels, 3);
    for (std::size_t layer = 0; layer < 2; ++layer)
      check_close(of(predicted[layer], Damage::logits), measured(network, layers[layer], input, noise, 0.5, Damage::logits));
  }
  const std::vector<Damages> rounded = damage_by(network, layers, input, Noise::rounding, levels, 3);
  for (std::size_t layer = 0; layer < 2; ++layer)
    CHECK(of(rounded[layer], Damage::logits) ==
          doctest::Approx(measured(network, layers[layer], input, Noise::rounding, 0.5, Damage::logits, 1).mean).epsilon(1e-4));
}

TEST_CASE("linearised: several noises at once, each as alone") {
  const Network network = mlp({2, 9, 3}, true, 5);
  const std::vector<Layer> layers = network.tape.layers();
  const Tensor inputs = random_tensor({37, 2}, 1);  // more than run at once, with a rest
  const std::vector<double> levels = {0.1, 0.6};
  const std::vector<SeededNoise> noises = {{Noise::impulse, 4}, {Noise::zero, 7}, {Noise::gaussian, 4}, {Noise::rounding, 0}};
  const auto together = linearised_damage(network, layers, inputs, noises, levels);
  REQUIRE(together.size() == noises.size());
  for (std::size_t i = 0; i < noises.size(); ++i)
    CHECK(together[i] == damage_by(network, layers, inputs, noises[i].noise, levels, noises[i].seed));
  CHECK(linearised_damage(network, layers, inputs, {}, levels).empty());
}

TEST_CASE("linearised: errors") {
  const Network network = mlp({2, 2}, false, 5);
  const std::vector<double> levels = {0.3};
  const auto of = [&](const Network& net, const Tensor& inputs) {
    damage_by(net, net.tape.layers(), inputs, Noise::zero, levels, 0);
  };
  CHECK_THROWS_AS(of(network, random_tensor({2, 3}, 1)), Error);
  CHECK_THROWS_WITH_AS(of(network, Tensor(DType::f32, {0, 2})), "linearised damage: no samples", Error);
  CHECK_THROWS_WITH_AS(of(mlp({2, 17}, false, 5), random_tensor({2, 2}, 1)),
                       "linearised damage: mlp: 17 logits, each of which takes a sweep; at most 16 are supported", Error);
}
