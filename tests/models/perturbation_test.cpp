#include "models/perturbation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/linear.h"
#include "engine/random.h"

using namespace safer;

namespace {

/// Two linear layers; the second stores its weight as [in, out] and is cut into two parts along its outputs.
struct Fixture {
  Fixture() {
    const Var x = tape.input("x", {200});
    const Var a = tape.parameter({.name = "a", .shape = {100, 200}});
    const Var b = tape.parameter(
        {.name = "b", .shape = {100, 60}, .output_axis = 1, .parts = {{"b.first", {0, 40}}, {"b.second", {40, 60}}}});
    linear(linear(x, a), b, {}, {}, WeightLayout::in_out);
    layers = tape.layers();
    parameters = Parameters(tape.parameters());
    for (int id = 0; id < 2; ++id) std::ranges::fill(parameters.mutable_values<float>(id), 1.0f);
    parameters.mutable_values<float>(0)[7] = -3;
  }
  Tape tape;
  std::vector<Layer> layers;
  Parameters parameters;
};

/// Whether a count of `trials` draws of probability p is within five deviations of what is expected.
bool plausible(std::int64_t count, std::int64_t trials, double p) {
  const double n = static_cast<double>(trials);
  return std::abs(static_cast<double>(count) - n * p) <= 5 * std::sqrt(n * p * (1 - p)) + 0.5;
}

std::vector<float> values(const Parameters& parameters, int id) {
  const auto span = parameters[id].values<float>();
  return {span.begin(), span.end()};
}

bool shares(const Parameters& a, const Parameters& b, int id) { return a[id].raw() == b[id].raw(); }

}  // namespace

TEST_CASE("perturbation: a fraction of the weights becomes zero, and nothing else changes") {
  Fixture f;
  for (const double fraction : {0.0, 0.1, 0.5, 0.9, 1.0}) {
    const Parameters noisy = with_zeros(f.parameters, f.layers[0], fraction, 42);
    const std::vector<float> after = values(noisy, 0), before = values(f.parameters, 0);
    CHECK(plausible(std::ranges::count(after, 0.0f), 20000, fraction));
    CHECK(std::ranges::equal(after, before, [](float w, float clean) { return w == 0 || w == clean; }));
    CHECK(shares(noisy, f.parameters, 1));
    CHECK_FALSE(shares(noisy, f.parameters, 0));
    CHECK(f.parameters[0].values<float>()[7] == -3);
  }
}

TEST_CASE("perturbation: normal noise has the declared deviation") {
  Fixture f;
  const std::vector<float> noisy = values(with_gaussian(f.parameters, f.layers[0], 0.25, 1), 0), clean = values(f.parameters, 0);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < noisy.size(); ++i) {
    const double e = double{noisy[i]} - clean[i];
    sum += e;
    squares += e * e;
  }
  const double n = static_cast<double>(noisy.size());
  CHECK(std::abs(sum / n) < 5 * 0.25 / std::sqrt(n));
  CHECK(std::abs(squares / n / 0.0625 - 1) < 5 * std::sqrt(2 / n));
  CHECK(values(with_gaussian(f.parameters, f.layers[0], 0, 1), 0) == clean);
}

TEST_CASE("perturbation: impulses have one height, and both signs when that is wanted") {
  Fixture f;
  const auto count = [&](const Parameters& noisy, float value) { return std::ranges::count(values(noisy, 1), value); };
  const Layer& part = f.layers[2];
  const Parameters positive = with_impulses(f.parameters, part, 0.3, 2, 9);
  CHECK(plausible(count(positive, 3), 2000, 0.3));
  CHECK(count(positive, 3) + count(positive, 1) == 6000);
  const Parameters both = with_impulses(f.parameters, part, 0.3, 2, 9, Sign::random);
  CHECK(plausible(count(both, 3), 2000, 0.15));
  CHECK(plausible(count(both, -1), 2000, 0.15));
  CHECK(count(both, 3) + count(both, -1) == count(positive, 3));
}

TEST_CASE("perturbation: a part of a weight is a layer of its own") {
  Fixture f;
  REQUIRE(f.layers[1].name == "b.first");
  REQUIRE(f.layers[2].name == "b.second");
  const std::vector<float> first = values(with_zeros(f.parameters, f.layers[1], 1, 5), 1);
  const std::vector<float> second = values(with_zeros(f.parameters, f.layers[2], 1, 5), 1);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const bool in_first = i % 60 < 40;
    CHECK(first[i] == (in_first ? 0.0f : 1.0f));
    CHECK(second[i] == (in_first ? 1.0f : 0.0f));
  }
  f.parameters.mutable_values<float>(1)[59] = -8;
  CHECK(largest_weight(f.parameters, f.layers[1]) == 1);
  CHECK(largest_weight(f.parameters, f.layers[2]) == 8);
}

TEST_CASE("perturbation: the numbers are a function of the key and the element") {
  Fixture f;
  const auto draw = [&](std::uint64_t key) { return values(with_gaussian(f.parameters, f.layers[0], 1, key), 0); };
  CHECK(draw(3) == draw(3));
  CHECK(draw(3) != draw(4));
  // The same element gets the same number whether its layer is drawn whole or as a part.
  Layer rows = f.layers[0];
  rows.outputs = {30, 40};
  const std::vector<float> part = values(with_gaussian(f.parameters, rows, 1, 3), 0), whole = draw(3);
  CHECK(std::equal(part.begin() + 6000, part.begin() + 8000, whole.begin() + 6000));
  CHECK(std::equal(part.begin() + 8000, part.end(), values(f.parameters, 0).begin() + 8000));
}

TEST_CASE("perturbation: a level is a fraction, or a part of the largest weight") {
  Fixture f;
  const Layer& layer = f.layers[0];
  CHECK(largest_weight(f.parameters, layer) == 3);
  CHECK(values(perturbed(f.parameters, layer, Noise::zero, 0.4, 6), 0) == values(with_zeros(f.parameters, layer, 0.4, 6), 0));
  CHECK(values(perturbed(f.parameters, layer, Noise::gaussian, 0.4, 6), 0) ==
        values(with_gaussian(f.parameters, layer, 0.4 * 3, 6), 0));
  double mean = 0;
  constexpr int draws = 400;
  for (std::uint64_t key = 0; key < draws; ++key) {
    const std::vector<float> noisy = values(perturbed(f.parameters, layer, Noise::impulse, 0.4, key), 0);
    const float height = std::ranges::max(noisy) - 1;
    REQUIRE(height > 0);
    REQUIRE(height <= 3);
    mean += height / draws;
    if (key < 20) CHECK(plausible(std::ranges::count(noisy, 1.0f), 20000, 0.6));
  }
  CHECK(std::abs(mean - 1.5) < 5 * 3 / std::sqrt(12.0 * draws));
}

TEST_CASE("perturbation: whole neurons of a view are zeroed, the same ones over the outer and inner axes") {
  constexpr std::int64_t outer = 3, neurons = 1200, inner = 4;  // more neurons than are drawn at a time
  std::vector<float> values(outer * neurons * inner, 1.0f);
  const NeuronView view{outer, neurons, inner, {100, 1100}};
  perturb(values, view, {.noise = Noise::zero, .level = 0.3, .whole_neurons = true, .key = 8});
  std::int64_t zeroed = 0;
  for (std::size_t neuron = 0; neuron < neurons; ++neuron) {
    const float first = values[neuron * inner];
    zeroed += first == 0;
    if (neuron < 100 || neuron >= 1100) CHECK(first == 1);
    for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t i = 0; i < inner; ++i) REQUIRE(values[(o * neurons + neuron) * inner + i] == first);
  }
  CHECK(plausible(zeroed, 1000, 0.3));
}

TEST_CASE("perturbation: rounding goes to the nearest multiple, and half way to the even one") {
  std::vector<float> values = {0, 0.1f, 0.125f, 0.126f, 0.2f, 0.375f, 0.625f, 1, 1.13f, 7.74f};
  const std::vector<float> expected = {0, 0, 0, 0.25f, 0.25f, 0.5f, 0.5f, 1, 1.25f, 7.75f};
  for (std::size_t i = 0; i < expected.size(); ++i) values.push_back(-values[i]);
  const auto size = static_cast<std::int64_t>(expected.size());
  perturb(values, {2, size, 1, {0, size}}, {.noise = Noise::rounding, .level = 0.125, .unit = 2});
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(values[i] == expected[i]);
    CHECK(values[i + expected.size()] == -expected[i]);
  }
}

TEST_CASE("perturbation: a number of any size and in any place is rounded, the same for any key") {
  Random random(4);
  for (const std::int64_t size : {0, 1, 3, 5, 511, 512, 513, 1031}) {
    std::vector<float> clean(static_cast<std::size_t>(size));
    for (float& value : clean) value = static_cast<float>(random.normal() * std::exp(5 * random.normal()));
    const double step = 0.01 * 3.7;
    std::vector<float> rounded = clean, again = clean;
    const NeuronView view{1, size, 1, {0, size}};
    perturb(rounded, view, {.noise = Noise::rounding, .level = 0.01, .unit = 3.7, .key = 1});
    perturb(again, view, {.noise = Noise::rounding, .level = 0.01, .unit = 3.7, .key = 2});
    CHECK(rounded == again);
    for (std::size_t i = 0; i < clean.size(); ++i) {
      CAPTURE(clean[i]);
      const double slack = 2e-7 * std::abs(double{clean[i]});  // of floats of this size
      CHECK(std::abs(double{rounded[i]} - clean[i]) <= step / 2 + slack);
      CHECK(std::abs(std::remainder(double{rounded[i]}, step)) <= slack);
    }
  }
}

TEST_CASE("perturbation: a level of rounding is a number of bits") {
  Fixture f;
  Random random(5);
  for (float& w : f.parameters.mutable_values<float>(0)) w = static_cast<float>(random.normal());
  const std::vector<float> clean = values(f.parameters, 0);
  const double M = largest_weight(f.parameters, f.layers[0]);
  for (const int bits : {2, 3, 4, 8}) {
    CAPTURE(bits);
    const int most = (1 << (bits - 1)) - 1;  // the largest integer of a symmetric grid
    const std::vector<float> rounded = values(perturbed(f.parameters, f.layers[0], Noise::rounding, 1.0 / most, 1), 0);
    int largest = 0;
    for (std::size_t i = 0; i < clean.size(); ++i) {
      const double integer = std::nearbyint(double{clean[i]} / M * most);
      largest = std::max(largest, static_cast<int>(std::abs(integer)));
      REQUIRE(double{rounded[i]} == doctest::Approx(integer / most * M).epsilon(1e-6));
    }
    CHECK(largest == most);
  }
}

TEST_CASE("perturbation: rounding a part of a weight leaves the other part alone and has its own unit") {
  Fixture f;
  Random random(6);
  for (float& w : f.parameters.mutable_values<float>(1)) w = static_cast<float>(random.normal());
  f.parameters.mutable_values<float>(1)[0] = 64;  // of the first part
  f.parameters.mutable_values<float>(1)[59] = 8;  // of the second
  const std::vector<float> clean = values(f.parameters, 1);
  const std::vector<float> first = values(perturbed(f.parameters, f.layers[1], Noise::rounding, 0.125, 1), 1);
  const std::vector<float> second = values(perturbed(f.parameters, f.layers[2], Noise::rounding, 0.125, 1), 1);
  for (std::size_t i = 0; i < clean.size(); ++i) {
    const bool in_first = i % 60 < 40;
    REQUIRE(first[i] == (in_first ? 8 * std::nearbyint(clean[i] / 8) : clean[i]));
    REQUIRE(second[i] == (in_first ? clean[i] : std::nearbyint(clean[i])));
  }
}

TEST_CASE("perturbation: rounding to nothing, and of what is no number") {
  Fixture f;
  const Layer& layer = f.layers[0];
  CHECK(values(perturbed(f.parameters, layer, Noise::rounding, 0, 1), 0) == values(f.parameters, 0));
  const auto rounded = [](std::vector<float> given, double level, double unit) {
    perturb(given, {1, std::ssize(given), 1, {0, std::ssize(given)}}, {.noise = Noise::rounding, .level = level, .unit = unit});
    return given;
  };
  const float inf = INFINITY;
  CHECK(rounded({0, -0.3f, 5}, 0.5, 0) == std::vector<float>{0, -0.3f, 5});
  CHECK(rounded({0, -0.3f, inf}, 0, inf) == std::vector<float>{0, -0.3f, inf});
  CHECK(rounded({1e30f, -inf, 0.3f}, 0.5, 0.001) == std::vector<float>{1e30f, -inf, 0.3f});
  CHECK(std::isnan(rounded({0.3f, std::nanf(""), 0.4f}, 0.5, 1)[1]));
  CHECK(std::isnan(rounded({0.3f, inf}, 0.5, inf)[0]));  // no grid
  f.parameters.mutable_values<float>(0)[3] = std::nanf("");
  const std::vector<float> noisy = values(perturbed(f.parameters, layer, Noise::rounding, 1, 1), 0);  // M is 3
  CHECK(std::isnan(noisy[3]));
  CHECK(noisy[7] == -3);
  CHECK(noisy[8] == 0);
}

TEST_CASE("perturbation: noise on a view leaves the rest alone and covers it all") {
  for (const Noise noise : {Noise::zero, Noise::gaussian, Noise::impulse, Noise::rounding}) {
    std::vector<float> values(5 * 60 * 7, 1.0f);
    const NeuronView view{5, 60, 7, {10, 30}};
    perturb(values, view, {.noise = noise, .level = 1, .unit = 2, .key = 8});
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t neuron = i / 7 % 60;
      REQUIRE((values[i] != 1) == (neuron >= 10 && neuron < 30));
    }
    values[0] = -1000;  // outside
    CHECK(largest_magnitude(values, view) < 100);
    values[10 * 7] = -500;
    CHECK(largest_magnitude(values, view) == 500);
  }
}

TEST_CASE("perturbation: senseless noise is refused") {
  Fixture f;
  const Layer& layer = f.layers[0];
  const double nan = std::nan(""), inf = INFINITY;
  CHECK_THROWS_WITH_AS(with_zeros(f.parameters, layer, 1.5, 1), "noise on 'a': fraction 1.5; expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(with_impulses(f.parameters, layer, nan, 1, 1), "noise on 'a': fraction nan; expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(with_impulses(f.parameters, layer, 0.5, inf, 1), "noise on 'a': amplitude inf; expected a number", Error);
  CHECK_THROWS_WITH_AS(with_gaussian(f.parameters, layer, -1, 1), "noise on 'a': deviation -1; expected 0 or a positive number",
                       Error);
  CHECK_THROWS_WITH_AS(perturbed(f.parameters, layer, Noise::zero, -0.1, 1), "noise on 'a': level -0.1; expected 0 to 1", Error);
  CHECK_THROWS_WITH_AS(perturbed(f.parameters, layer, Noise::rounding, 2, 1), "noise on 'a': level 2; expected 0 to 1", Error);
  CHECK_THROWS_AS(with_zeros(f.parameters.to(DType::f64), layer, 0.5, 1), Error);
}
