#include "criteria/testbed/reparametrised.h"

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

/// The mean distance of the logits under real noise on the weights: over draws of it, each a mean over all inputs.
Estimate measured(const Network& network, const Layer& layer, const Tensor& inputs, Noise noise, double level,
                  std::uint64_t draws) {
  const Tensor clean = predict(network, inputs);
  const auto classes = static_cast<std::size_t>(network.classes());
  std::vector<double> means;
  Network noisy = network;
  for (std::uint64_t key = 0; key < draws; ++key) {
    noisy.parameters = perturbed(network.parameters, layer, noise, level, key);
    const Tensor changed = predict(noisy, inputs);
    const auto z = changed.values<float>(), z0 = clean.values<float>();
    double sum = 0;
    for (std::size_t s = 0; s < z.size(); s += classes) {
      double squares = 0;
      for (std::size_t k = s; k < s + classes; ++k) squares += (z[k] - z0[k]) * (z[k] - z0[k]);
      sum += std::sqrt(squares);
    }
    means.push_back(sum / static_cast<double>(z.size() / classes));
  }
  return estimate(means);
}

std::vector<Damages> predict_damage(const Network& network, const Tensor& inputs, Noise noise, std::span<const double> levels,
                                    int draws) {
  return reparametrised_damage(network, network.tape.layers(), inputs, std::vector<Noise>{noise}, levels, draws, 1).front();
}

/// Holds the prediction against real noise; `approximate`: what its own number of draws leaves open, relatively.
void check(const Network& network, const Tensor& inputs, Noise noise, double approximate) {
  constexpr std::uint64_t draws = 400;
  const std::vector<Layer> layers = network.tape.layers();
  for (const double level : {0.02, 0.2, 0.7}) {
    const std::vector<double> levels = {level};
    const std::vector<Damages> predicted = predict_damage(network, inputs, noise, levels, 20);
    REQUIRE(predicted.size() == layers.size());
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      CAPTURE(layers[layer].name);
      CAPTURE(level);
      const Estimate real = measured(network, layers[layer], inputs, noise, level, draws);
      CHECK(std::abs(of(predicted[layer], Damage::logits) - real.mean) <= 5 * real.error + approximate * real.mean);
    }
  }
}

}  // namespace

TEST_CASE("reparametrised: normal noise has the damage of real noise on the weights, at any level") {
  check(mlp({3, 9, 6, 4}, true, 3), random_tensor({50, 3}, 4), Noise::gaussian, 0.02);
}

TEST_CASE("reparametrised: zeros and impulses have it too, where few inputs are summed and where many are") {
  for (const Noise noise : {Noise::zero, Noise::impulse}) {
    check(mlp({3, 4, 4}, true, 3), random_tensor({200, 3}, 4), noise, 0.05);
    check(mlp({60, 40, 4}, true, 3), random_tensor({50, 60}, 4), noise, 0.05);
  }
}

TEST_CASE("reparametrised: the places of a sample share the noise on a weight") {
  const Network network = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}, .seed = 3});
  check(network, random_tensor({50, 2}, 4), Noise::gaussian, 0.02);
  check(network, random_tensor({50, 2}, 4), Noise::impulse, 0.05);
}

TEST_CASE("reparametrised: several noises at once are what each is by itself") {
  const Network network = mlp({12, 9, 4}, true, 3);
  const Tensor inputs = random_tensor({20, 12}, 4);
  const std::vector<double> levels = {0.02, 0.3, 0.8};
  const std::vector<Noise> noises = {Noise::impulse, Noise::rounding, Noise::zero, Noise::gaussian};
  const auto together = reparametrised_damage(network, network.tape.layers(), inputs, noises, levels, 3, 1);
  REQUIRE(together.size() == noises.size());
  for (std::size_t i = 0; i < noises.size(); ++i) CHECK(together[i] == predict_damage(network, inputs, noises[i], levels, 3));
}

TEST_CASE("reparametrised: rounded weights") {
  const auto same = [](const Network& network, const Tensor& inputs) {
    const std::vector<Layer> layers = network.tape.layers();
    for (const double level : {0.02, 0.2, 0.7}) {
      const std::vector<double> levels = {level};
      const std::vector<Damages> predicted = predict_damage(network, inputs, Noise::rounding, levels, 20);
      for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        const double real = measured(network, layers[layer], inputs, Noise::rounding, level, 2).mean;
        CHECK(of(predicted[layer], Damage::logits) == doctest::Approx(real).epsilon(1e-4));
      }
    }
  };
  same(mlp({3, 9, 6, 4}, true, 3), random_tensor({50, 3}, 4));
  same(make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}, .seed = 3}), random_tensor({50, 2}, 4));
}

TEST_CASE("reparametrised: weights stored as [in, out] are the same layer") {
  const Network by_rows = mlp({5, 4}, false, 1);
  Network by_columns{.name = "columns", .tape = {}, .parameters = {}};
  const Var x = by_columns.tape.input("x", Shape{5});
  by_columns.input = x.id();
  const Var W = by_columns.tape.parameter({.name = "layers.0.weight", .shape = {5, 4}, .output_axis = 1});
  by_columns.logits = linear(x, W, {}, {}, WeightLayout::in_out).id();
  fill_randomly(by_columns, 1);
  const std::span<float> w = by_columns.parameters.mutable_values<float>(0);
  for (std::size_t o = 0; o < 4; ++o)
    for (std::size_t i = 0; i < 5; ++i) w[i * 4 + o] = by_rows.parameters[0].values<float>()[o * 5 + i];
  const Tensor inputs = random_tensor({20, 5}, 2);
  const std::vector<double> levels = {0.5};
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse, Noise::rounding}) {
    const Damages a = predict_damage(by_rows, inputs, noise, levels, 2)[0];
    const Damages b = predict_damage(by_columns, inputs, noise, levels, 2)[0];
    for (std::size_t kind = 0; kind < a.size(); ++kind) CHECK(a[kind] == doctest::Approx(b[kind]).epsilon(1e-5));
  }
}

TEST_CASE("reparametrised: the parts of a weight are layers of their own") {
  Network network{.name = "parts", .tape = {}, .parameters = {}};
  const Var x = network.tape.input("x", Shape{3});
  network.input = x.id();
  const Var W = network.tape.parameter({.name = "w.weight", .shape = {6, 3}, .parts = {{"a", {0, 2}}, {"b", {2, 6}}}});
  network.logits = linear(x, W).id();
  fill_randomly(network, 4);
  check(network, random_tensor({50, 3}, 5), Noise::gaussian, 0.02);
}

TEST_CASE("reparametrised: errors") {
  const Network network = mlp({3, 4}, true, 1);
  const std::vector<double> levels = {0.5};
  const auto of = [&](const Network& net, const Tensor& inputs) { predict_damage(net, inputs, Noise::gaussian, levels, 1); };
  CHECK_THROWS_WITH_AS(of(network, Tensor(DType::f32, {0, 3})), "reparametrised damage: no samples", Error);
  CHECK_THROWS_AS(of(network, random_tensor({2, 4}, 1)), Error);

  Network twice{.name = "twice", .tape = {}, .parameters = {}};
  const Var x = twice.tape.input("x", Shape{3});
  twice.input = x.id();
  const Var W = twice.tape.parameter({.name = "w.weight", .shape = {3, 3}});
  twice.logits = linear(linear(x, W), W).id();
  fill_randomly(twice, 1);
  CHECK_THROWS_WITH_AS(of(twice, random_tensor({2, 3}, 1)),
                       "twice: layer 'w.weight' is not read by one linear op alone, so that noise on it cannot be reparametrised",
                       Error);
}
