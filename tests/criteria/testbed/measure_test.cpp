#include "criteria/testbed/measure.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/model_spec.h"
#include "models/moons.h"
#include "models/training.h"
#include "tests/allocation_counter.h"
#include "tests/criteria/numbers.h"
#include "tests/criteria/small_networks.h"

using namespace safer;
using safer::test::fill_randomly;
using safer::test::mlp;
using safer::test::random_tensor;

namespace {

constexpr auto logits = static_cast<std::size_t>(Damage::logits);

Dataset points(std::int64_t n, std::int64_t inputs, std::uint64_t seed = 5) {
  return {"points", random_tensor({n, inputs}, seed), {}, 0};
}

MeasureOptions few(Noise noise, Place place, std::vector<double> levels = {0.2, 0.6}) {
  return {.sweep = {.noise = noise, .place = place, .levels = std::move(levels)}, .first_draws = 64, .most_draws = 64};
}

/// Whether an estimate is within five of its standard errors of what it should be.
bool agrees(const Estimate& found, double expected) { return std::abs(found.mean - expected) <= 5 * found.error + 1e-12; }

void check_equal(const Measurement& a, const Measurement& b) {
  REQUIRE(a.layers.size() == b.layers.size());
  for (std::size_t layer = 0; layer < a.layers.size(); ++layer) {
    CHECK(a.layers[layer].draws == b.layers[layer].draws);
    for (std::size_t kind = 0; kind < damage_count; ++kind) {
      CHECK(a.layers[layer].mean[kind].mean == b.layers[layer].mean[kind].mean);
      CHECK(a.layers[layer].mean[kind].error == b.layers[layer].mean[kind].error);
      CHECK(a.order[kind].pairs == b.order[kind].pairs);
    }
  }
}

/// The activations behind each layer of an mlp() with ReLU, in plain loops, with change(layer, activations) after each.
template <class Change>
std::vector<double> plain_run(const Network& network, std::vector<double> x, const Change& change) {
  const std::size_t layers = network.tape.layers().size();
  for (std::size_t l = 0; l < layers; ++l) {
    const Tensor& W = network.parameters["layers." + std::to_string(l) + ".weight"];
    const auto w = W.values<float>();
    const auto b = network.parameters["layers." + std::to_string(l) + ".bias"].values<float>();
    std::vector<double> y(b.begin(), b.end());
    for (std::size_t o = 0; o < y.size(); ++o) {
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += double{w[o * x.size() + i]} * x[i];
      if (l + 1 < layers) y[o] = std::max(0.0, y[o]);
    }
    change(l, y);
    x = std::move(y);
  }
  return x;
}

}  // namespace

TEST_CASE("measure: normal noise on a linear layer with one output has a closed form") {
  const Network network = mlp({6, 1}, false, 1);
  const Dataset data = points(500, 6);
  const Measurement found = measure(network, data, few(Noise::gaussian, Place::weights, {0.1, 0.5}));
  const double M = largest_weight(network.parameters, network.tape.layers()[0]);
  CHECK(found.layers[0].unit == M);
  double norm = 0;
  const auto x = data.inputs.values<float>();
  for (std::size_t i = 0; i < 500; ++i) {
    double squares = 0;
    for (std::size_t k = 0; k < 6; ++k) squares += double{x[6 * i + k]} * x[6 * i + k];
    norm += std::sqrt(squares) / 500;
  }
  const double expected = std::sqrt(2 / std::numbers::pi) * norm;  // E|sigma z . x| for a standard normal z, over sigma
  CHECK(agrees(found.layers[0].by_level[0][logits], 0.1 * M * expected));
  CHECK(agrees(found.layers[0].by_level[1][logits], 0.5 * M * expected));
  CHECK(agrees(found.layers[0].mean[logits], 0.3 * M * expected));
}

TEST_CASE("measure: without randomness in noise or points the damage is that of one run") {
  const Network network = mlp({3, 5, 2}, true, 2);
  const Dataset data = points(1, 3);
  for (const Place place : {Place::weights, Place::activations}) {
    const Measurement found = measure(network, data, few(Noise::zero, place, {1}));
    const auto x = data.inputs.values<float>();
    const auto run = [&](std::size_t zeroed) {
      Network changed = network;
      if (place == Place::weights && zeroed < 2) {
        const Layer layer = network.tape.layers()[zeroed];
        changed.parameters = with_zeros(network.parameters, layer, 1, 0);
      }
      return plain_run(changed, {x.begin(), x.end()}, [&](std::size_t layer, std::vector<double>& y) {
        if (place == Place::activations && layer == zeroed) std::ranges::fill(y, 0);
      });
    };
    for (std::size_t layer = 0; layer < 2; ++layer) {
      CAPTURE(layer);
      CHECK(found.layers[layer].mean[logits].mean == doctest::Approx(test::distance(run(layer), run(99))).epsilon(1e-5));
      CHECK(found.layers[layer].mean[logits].error < 1e-12);
      CHECK(found.layers[layer].draws == 64);
    }
  }
}

TEST_CASE("measure: noise on weights as brute force over networks that were perturbed one by one") {
  const Network network = mlp({4, 7, 5, 3}, true, 3);
  const Dataset data = points(40, 4);
  const Tensor clean = predict(network, data.inputs);
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse, Noise::rounding}) {
    CAPTURE(static_cast<int>(noise));
    const Measurement found = measure(network, data, few(noise, Place::weights));
    for (std::size_t l = 0; l < 3; ++l)
      for (std::size_t level = 0; level < 2; ++level) {
        std::vector<double> damages;
        for (std::uint64_t key = 0; key < 300; ++key) {
          Network noisy = network;
          noisy.parameters = perturbed(network.parameters, network.tape.layers()[l], noise, level == 0 ? 0.2 : 0.6, key);
          const Tensor changed = predict(noisy, data.inputs);
          double sum = 0;
          for (std::size_t i = 0; i < 40; ++i) {
            const auto a = clean.values<float>().subspan(3 * i, 3), b = changed.values<float>().subspan(3 * i, 3);
            sum += test::distance(std::vector<double>(a.begin(), a.end()), std::vector<double>(b.begin(), b.end())) / 40;
          }
          damages.push_back(sum);
        }
        const Estimate expected = estimate(damages), measured = found.layers[l].by_level[level][logits];
        CHECK(std::abs(measured.mean - expected.mean) <= 5 * std::hypot(measured.error, expected.error));
      }
  }
}

TEST_CASE("measure: noise on activations as brute force in plain loops") {
  const Network network = mlp({4, 7, 5, 3}, true, 3);
  const Dataset data = points(40, 4);
  Random random(8);
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse, Noise::rounding}) {
    CAPTURE(static_cast<int>(noise));
    const Measurement found = measure(network, data, few(noise, Place::activations));
    for (std::size_t l = 0; l < 3; ++l)
      for (std::size_t level = 0; level < 2; ++level) {
        const double p = level == 0 ? 0.2 : 0.6, M = found.layers[l].unit;
        std::vector<double> damages;
        for (int draw = 0; draw < 4000; ++draw) {
          const std::size_t point = random.below(40);
          const auto x = data.inputs.values<float>().subspan(4 * point, 4);
          const double height = M * random.uniform();
          const auto noisy = [&](std::size_t layer, std::vector<double>& y) {
            if (layer != l) return;
            for (double& value : y) {
              if (noise == Noise::gaussian) value += p * M * random.normal();
              if (noise == Noise::zero && random.uniform() < p) value = 0;
              if (noise == Noise::impulse && random.uniform() < p) value += height;
              if (noise == Noise::rounding) value = p * M * std::nearbyint(value / (p * M));
            }
          };
          damages.push_back(test::distance(plain_run(network, {x.begin(), x.end()}, noisy),
                                           plain_run(network, {x.begin(), x.end()}, [](std::size_t, std::vector<double>&) {})));
        }
        const Estimate expected = estimate(damages), measured = found.layers[l].by_level[level][logits];
        CHECK(std::abs(measured.mean - expected.mean) <= 5 * std::hypot(measured.error, expected.error));
      }
  }
}

TEST_CASE("measure: zeroed neurons are the same ones for all points of a draw") {
  // Every neuron hands on one input: what is zeroed is seen in the logits.
  Network network = mlp({2, 2}, false, 1);
  const std::vector<float> identity = {1, 0, 0, 1};
  network.parameters.set(0, Tensor::of<float>({2, 2}, identity));
  Dataset data{"ones", Tensor(DType::f32, {10, 2}), {}, 0};
  std::ranges::fill(data.inputs.mutable_values<float>(), 1.0f);
  const std::vector<Layer> layers = network.tape.layers();
  const NoiseSweep sweep{.noise = Noise::zero, .place = Place::activations, .levels = {0.5}};
  const std::vector<double> units = noise_units(network, layers, data, sweep);
  const NoisyPlan plan(network, layers, sweep, 8);
  NoisyRuns runs(network, layers, sweep, units, data, plan);
  const std::vector<std::size_t> wanted = {0};
  for (std::uint64_t draw = 0; draw < 50; ++draw) {
    std::vector<Damages> damages(1);
    const std::vector<std::span<Damages>> out = {damages};
    runs.draw(1, draw, wanted, out);
    const double zeroed = std::pow(of(damages[0], Damage::logits), 2);  // 0, 1 or 2 for every point alike
    CHECK(zeroed == doctest::Approx(std::round(zeroed)).epsilon(1e-6));
  }
}

TEST_CASE("measure: whole neurons of weights on demand, and a unit of activity") {
  const Network network = mlp({3, 6, 2}, false, 4);
  const Dataset data = points(30, 3);
  MeasureOptions options = few(Noise::zero, Place::weights, {0.5});
  options.sweep.whole_neurons = true;
  const Measurement rows = measure(network, data, options);
  // Without biases and with ReLU, a row of weights that is zero is a neuron that is zero.
  const Measurement neurons = measure(network, data, few(Noise::zero, Place::activations, {0.5}));
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const Estimate a = rows.layers[layer].mean[logits], b = neurons.layers[layer].mean[logits];
    CHECK(std::abs(a.mean - b.mean) <= 5 * std::hypot(a.error, b.error));
  }
  MeasureOptions active = few(Noise::gaussian, Place::activations);
  active.sweep.unit_of_activity = true;
  double largest = 0;
  const Tensor outputs = predict(network, data.inputs);
  for (const float z : outputs.values<float>()) largest = std::max(largest, std::abs(double{z}));
  CHECK(measure(network, data, active).layers[1].unit == doctest::Approx(largest).epsilon(1e-6));
}

TEST_CASE("measure: the same bits for any number of threads") {
  Network network = make_moons_network({.family = MoonsFamily::transformer, .depth = 2});
  const Dataset data = make_moons(200, 0.1, 1, Split::test);
  const int before = available_threads();
  for (const Place place : {Place::weights, Place::activations}) {
    const MeasureOptions options = few(Noise::impulse, place);
    set_threads(1);
    const Measurement one = measure(network, data, options);
    set_threads(3);
    const Measurement three = measure(network, data, options);
    set_threads(before);
    check_equal(one, three);
    CHECK(one.labelled);
  }
}

TEST_CASE("measure: draws go on where neighbours are close, and stop where they are settled") {
  // Two paths that cancel: nothing that layer 0 does is seen, and noise on layer 1 does the same as noise on layer 2.
  Network network = mlp({1, 1, 2, 1}, false, 1);
  network.parameters.set(0, Tensor::of<float>({1, 1}, std::vector<float>{1}));
  network.parameters.set(1, Tensor::of<float>({2, 1}, std::vector<float>{1, 1}));
  network.parameters.set(2, Tensor::of<float>({1, 2}, std::vector<float>{1, -1}));
  Dataset data{"ones", Tensor(DType::f32, {4, 1}), {}, 0};
  std::ranges::fill(data.inputs.mutable_values<float>(), 1.0f);
  MeasureOptions options = few(Noise::zero, Place::weights, {0.5});
  options.ranked_by = Damage::logits;
  options.most_draws = 1000;
  std::int64_t done = 0, total = 0;
  options.progress = [&](std::int64_t now, std::int64_t all) { done = now, total = all; };
  const Measurement found = measure(network, data, options);
  CHECK(found.layers[0].draws == 64);
  CHECK(found.layers[1].draws == 1000);
  CHECK(found.layers[2].draws == 1000);
  CHECK(found.looks == 5);  // 64, 128, 256, 512, 1000
  CHECK(found.layers[0].mean[logits].mean == 0);
  CHECK(found.order[logits].pairs == std::vector<std::pair<int, int>>{{1, 0}, {2, 0}});
  CHECK(done == total);
}

TEST_CASE("measure: settled pairs point from the larger damage to the smaller one") {
  Network network = make_moons_network({.depth = 3, .widths = {16}});
  train(network, make_moons(500, 0.1, 1), {.epochs = 4});
  MeasureOptions options = few(Noise::gaussian, Place::activations);
  options.most_draws = 256;
  const Measurement found = measure(network, make_moons(500, 0.1, 1, Split::test), options);
  int settled = 0;
  for (int kind = 0; kind < damage_count; ++kind) {
    const std::vector<double> scores = found.scores(static_cast<Damage>(kind));
    for (const auto& [above, below] : found.order[static_cast<std::size_t>(kind)].pairs) {
      CHECK(scores[static_cast<std::size_t>(above)] > scores[static_cast<std::size_t>(below)]);
      ++settled;
    }
  }
  CHECK(settled > 6);
  MeasureOptions without_head = options;
  without_head.rank_head = false;
  CHECK(measure(network, make_moons(500, 0.1, 1, Split::test), without_head).layers.size() == 3);
}

TEST_CASE("measure: damage that is not a number settles nothing and is not drawn to the cap") {
  Network network = mlp({2, 3, 2}, true, 1);
  std::ranges::fill(network.parameters.mutable_values<float>(0), std::numeric_limits<float>::infinity());
  MeasureOptions options = few(Noise::gaussian, Place::weights);
  options.most_draws = 1024;
  const Measurement found = measure(network, points(10, 2), options);
  CHECK(rank(found.scores(Damage::probabilities)).failures() > 0);
  CHECK(found.order[logits].pairs.empty());
  CHECK(found.layers[0].draws == 64);
}

TEST_CASE("measure: a draw allocates nothing") {
  const Network network = make_moons_network({.depth = 3, .widths = {24}});
  const Dataset data = make_moons(100, 0.1, 1, Split::test);
  const std::vector<Layer> layers = network.tape.layers();
  for (const Place place : {Place::weights, Place::activations}) {
    const NoiseSweep sweep{.noise = Noise::gaussian, .place = place};
    const std::vector<double> units = noise_units(network, layers, data, sweep);
    const NoisyPlan plan(network, layers, sweep, 32);
    NoisyRuns runs(network, layers, sweep, units, data, plan);
    const std::vector<std::size_t> wanted = {0, 1, 2, 3};
    std::vector<Damages> damages(wanted.size() * sweep.levels.size());
    std::vector<std::span<Damages>> out;
    for (std::size_t i = 0; i < wanted.size(); ++i) out.push_back(std::span(damages).subspan(9 * i, 9));
    runs.draw(1, 0, wanted, out);
    const AllocationCounter counter;
    for (std::uint64_t draw = 1; draw < 5; ++draw) runs.draw(1, draw, wanted, out);
    CHECK(counter.allocations() == 0);
  }
}

TEST_CASE("measure: a network of images, by weights and by channels") {
  Network network = untrained_model("resnet8");
  const Dataset data{"noise", random_tensor({6, 3, 32, 32}, 3, 40), {}, 0};
  for (const Place place : {Place::weights, Place::activations}) {
    MeasureOptions options = few(Noise::zero, place, {0.5});
    options.first_draws = options.most_draws = 3;
    options.points = 2;
    const Measurement found = measure(network, data, options);
    CHECK(found.layers.size() == network.tape.layers().size());
    for (const LayerDamage& layer : found.layers) CHECK(layer.mean[logits].mean > 0);
  }
}

TEST_CASE("measure: a weight that is used twice is disturbed at both of its activations") {
  Network network{.name = "twice"};
  const Var x = network.tape.input("x", {2});
  const Var W = network.tape.parameter({.name = "shared.weight", .shape = {2, 2}});
  const Var first = linear(x, W), second = linear(x * x, W);
  network.input = x.id();
  network.logits = (first + second).id();
  fill_randomly(network, 2);
  const Dataset data = points(20, 2);
  const Measurement found = measure(network, data, few(Noise::zero, Place::activations, {1}));
  double norm = 0;
  const Tensor clean = predict(network, data.inputs);
  for (std::size_t i = 0; i < 20; ++i) norm += std::hypot(clean.values<float>()[2 * i], clean.values<float>()[2 * i + 1]) / 20;
  CHECK(agrees(found.layers[0].mean[logits], norm));  // both gone: nothing is left of the logits
}

TEST_CASE("measure: errors") {
  const Network network = mlp({2, 3, 2}, true, 1);
  const Dataset data = points(10, 2);
  const auto with = [](const auto& change) {
    MeasureOptions options;
    change(options);
    return options;
  };
  CHECK_THROWS_WITH_AS(measure(network, points(10, 3)), "measure: inputs have shape [10, 3], mlp expects [N, 2]", Error);
  CHECK_THROWS_WITH_AS(measure(network, data, with([](MeasureOptions& o) { o.sweep.levels = {}; })),
                       "measure: no levels of noise; expected numbers from 0 to 1", Error);
  CHECK_THROWS_WITH_AS(measure(network, data, with([](MeasureOptions& o) { o.sweep.levels = {1.5}; })),
                       "measure: level 1.5 of noise; expected 0 to 1", Error);
  CHECK_THROWS_AS(measure(network, data, with([](MeasureOptions& o) { o.first_draws = 1; })), Error);
  CHECK_THROWS_AS(measure(network, data, with([](MeasureOptions& o) { o.most_draws = 31; })), Error);
  CHECK_THROWS_AS(measure(network, data, with([](MeasureOptions& o) { o.confidence = 1; })), Error);
  Network empty{.name = "empty"};
  const Var x = empty.tape.input("x", {2});
  empty.input = x.id();
  empty.logits = relu(x).id();
  empty.parameters = Parameters(empty.tape.parameters());
  CHECK_THROWS_WITH_AS(measure(empty, data), "empty: no layers to measure; a layer is a weight that the network reads", Error);

  Network squared{.name = "squared"};
  const Var y = squared.tape.input("x", {2});
  const Var W = squared.tape.parameter({.name = "weight", .shape = {2, 2}});
  squared.input = y.id();
  squared.logits = linear(y, W * W).id();
  fill_randomly(squared, 1);
  CHECK_THROWS_WITH_AS(measure(squared, data, few(Noise::zero, Place::activations)),
                       "squared: layer 'weight' has no activations: its weight is read by 'mul', which gives no output neuron a "
                       "value; put the noise on weights",
                       Error);
}
