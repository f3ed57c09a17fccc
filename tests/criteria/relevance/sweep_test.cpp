#include "criteria/relevance/sweep.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "criteria/relevance/fold.h"
#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "tests/allocation_counter.h"
#include "tests/criteria/counting_op.h"
#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::fill_randomly;
using test::mlp;
using test::random_tensor;

constexpr Needs signed_mean = {Probe::at_weights, false, fold_gradient};
constexpr Needs mean_square = {Probe::at_weights, true, fold_gradient_square};

std::vector<int> all_weights(const Network& network) {
  std::vector<int> weights;
  for (const Layer& layer : network.tape.layers()) weights.push_back(layer.parameter);
  return weights;
}

Sums sweep(const Network& network, const Tensor& inputs, Target target, std::vector<Needs> needs, const SweepOptions& options = {},
           std::span<const std::int64_t> labels = {}) {
  return safer::sweep(network, {inputs, labels, target}, all_weights(network), needs, options);
}

std::vector<double> total(const Sums& sums, std::size_t need, std::size_t weight) {
  std::vector<double> all(sums.of(need, 0, weight).size());
  for (std::size_t g = 0; g < sums.groups(); ++g)
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += sums.of(need, g, weight)[i];
  return all;
}

/// The largest difference of two tensors, in units of the largest magnitude of the second.
double difference(std::span<const double> a, std::span<const double> b) {
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return largest / scale;
}

std::span<const float> sample(const Tensor& inputs, std::int64_t s) {
  const auto size = static_cast<std::size_t>(inputs.size() / inputs.shape()[0]);
  return inputs.values<float>().subspan(static_cast<std::size_t>(s) * size, size);
}

/// The first layer's weight is read twice: y = W relu(W x), then the logits.
Network tied_network() {
  Network network{.name = "tied", .tape = {}, .parameters = {}};
  const Var x = network.tape.input("x", Shape{5});
  const Var twice = network.tape.parameter({.name = "twice.weight", .shape = {5, 5}});
  const Var head = network.tape.parameter({.name = "head.weight", .shape = {3, 5}});
  network.input = x.id();
  network.logits = linear(relu(linear(relu(linear(x, twice)), twice)), head).id();
  fill_randomly(network, 5);
  return network;
}

}  // namespace

TEST_CASE("sums agree with textbook backpropagation in double") {
  const Network network = mlp({3, 13, 7, 4}, true, 2);
  const test::PlainMlp plain(network);
  const std::int64_t n = 37;
  const Tensor inputs = random_tensor({n, 3}, 3);
  for (const bool cross_entropy : {false, true}) {
    const Sums sums = sweep(network, inputs, cross_entropy ? Target::pseudo_ce : Target::top_logit, {signed_mean, mean_square},
                            {.groups = 5, .batch = 4});
    for (std::size_t layer = 0; layer < plain.layers(); ++layer) {
      std::vector<double> sum(plain.weight(layer).size()), square(sum.size());
      for (std::int64_t s = 0; s < n; ++s) {
        const std::vector<double> g = plain.gradients(sample(inputs, s), cross_entropy)[layer];
        for (std::size_t i = 0; i < g.size(); ++i) sum[i] += g[i], square[i] += g[i] * g[i];
      }
      CAPTURE(cross_entropy);
      CAPTURE(layer);
      // A gradient is a chain of products and sums of at most 13 + 7 + 4 terms, each with a rounding error of 6e-8.
      CHECK(difference(total(sums, 0, layer), sum) < 5e-6);
      CHECK(difference(total(sums, 1, layer), square) < 5e-6);
    }
  }
}

TEST_CASE("squares are those of each sample's own gradient: one sweep equals a sweep for each sample") {
  for (const Network& network : {mlp({3, 9, 4}, true, 1), tied_network()}) {
    const std::int64_t n = 19, width = network.sample_shape()[1];
    const Tensor inputs = random_tensor({n, width}, 6);
    const Sums together = sweep(network, inputs, Target::pseudo_ce, {mean_square}, {.groups = 4, .batch = 8});
    for (std::size_t weight = 0; weight < together.layout(0).elements.size(); ++weight) {
      std::vector<double> squares(together.of(0, 0, weight).size());
      for (std::int64_t s = 0; s < n; ++s) {
        const Tensor one = Tensor::of<float>({1, width}, sample(inputs, s));
        const std::vector<double> g = total(sweep(network, one, Target::pseudo_ce, {signed_mean}), 0, weight);
        for (std::size_t i = 0; i < g.size(); ++i) squares[i] += g[i] * g[i];
      }
      CAPTURE(network.name);
      CHECK(difference(total(together, 0, weight), squares) < 5e-6);
    }
  }
}

TEST_CASE("Euler: without biases, the sum of w g over any layer is the logit itself") {
  const Network network = mlp({4, 11, 6, 9, 3}, false, 8);
  const test::PlainMlp plain(network);
  const std::int64_t n = 21;
  const Tensor inputs = random_tensor({n, 4}, 9);
  double expected = 0, scale = 0;
  for (std::int64_t s = 0; s < n; ++s) {
    expected += std::ranges::max(plain.logits(sample(inputs, s)));
    scale += std::abs(std::ranges::max(plain.logits(sample(inputs, s))));
  }
  const Sums sums = sweep(network, inputs, Target::top_logit, {signed_mean}, {.groups = 3});
  for (std::size_t layer = 0; layer < plain.layers(); ++layer) {
    const std::vector<double> g = total(sums, 0, layer);
    double sum = 0;
    for (std::size_t i = 0; i < g.size(); ++i) sum += plain.weight(layer)[i] * g[i];
    CHECK(std::abs(sum - expected) < 5e-6 * scale);
  }
}

TEST_CASE("the class is frozen: labels that the network would say itself change no bit") {
  const Network network = mlp({3, 8, 5}, true, 4);
  const test::PlainMlp plain(network);
  const Tensor inputs = random_tensor({30, 3}, 5);
  std::vector<std::int64_t> labels;
  for (std::int64_t s = 0; s < 30; ++s) {
    const std::vector<double> z = plain.logits(sample(inputs, s));
    labels.push_back(std::ranges::max_element(z) - z.begin());
  }
  const Sums own = sweep(network, inputs, Target::pseudo_ce, {mean_square}, {.groups = 4, .seed = 3});
  const Sums told = sweep(network, inputs, Target::label_ce, {mean_square}, {.groups = 4, .seed = 3}, labels);
  for (std::size_t weight = 0; weight < own.layout(0).elements.size(); ++weight)
    CHECK(total(own, 0, weight) == total(told, 0, weight));
  labels[7] = (labels[7] + 1) % 5;
  const Sums other = sweep(network, inputs, Target::label_ce, {mean_square}, {.groups = 4, .seed = 3}, labels);
  CHECK(difference(total(other, 0, 0), total(own, 0, 0)) > 1e-3);
}

TEST_CASE("every target sweeps") {
  const Network network = mlp({3, 8, 5}, true, 4);
  const Tensor inputs = random_tensor({9, 3}, 5);
  const std::vector<std::int64_t> labels(9, 2);
  for (int target = 0; target < target_count; ++target) {
    CAPTURE(target_names[target]);
    const Sums sums = sweep(network, inputs, static_cast<Target>(target), {signed_mean}, {}, labels);
    const std::vector<double> g = total(sums, 0, 0);
    CHECK(std::ranges::all_of(g, [](double value) { return std::isfinite(value); }));
    CHECK(std::ranges::any_of(g, [](double value) { return value != 0; }));
  }
}

TEST_CASE("all samples in groups of nearly equal size, whatever the batch; only rounding depends on it") {
  const Network network = mlp({3, 13, 4}, true, 2);
  const Tensor inputs = random_tensor({50, 3}, 7);
  const std::vector<Needs> needs = {signed_mean, mean_square};
  const Sums reference = sweep(network, inputs, Target::pseudo_ce, needs, {.groups = 1, .batch = 50});
  for (const int groups : {1, 7, 16, 50})
    for (const std::int64_t batch : {1, 3, 4, 64}) {
      CAPTURE(groups);
      CAPTURE(batch);
      const Sums sums = sweep(network, inputs, Target::pseudo_ce, needs, {.groups = groups, .batch = batch});
      REQUIRE(sums.groups() == static_cast<std::size_t>(groups));
      std::int64_t samples = 0;
      for (const std::int64_t count : sums.samples()) {
        CHECK(std::abs(count - 50 / groups) <= 1);
        samples += count;
      }
      CHECK(samples == 50);
      for (std::size_t need = 0; need < needs.size(); ++need)
        for (std::size_t weight = 0; weight < sums.layout(0).elements.size(); ++weight)
          CHECK(difference(total(sums, need, weight), total(reference, need, weight)) < 2e-6);
    }
}

TEST_CASE("which samples form a group follows from the seed, not from their order") {
  const Network network = mlp({2, 6, 2}, true, 2);
  const Tensor inputs = random_tensor({32, 2}, 7);
  const SweepOptions options{.groups = 4, .seed = 1}, other{.groups = 4, .seed = 2};
  const Sums a = sweep(network, inputs, Target::pseudo_ce, {mean_square}, options);
  const Sums b = sweep(network, inputs, Target::pseudo_ce, {mean_square}, options);
  const Sums c = sweep(network, inputs, Target::pseudo_ce, {mean_square}, other);
  CHECK(std::ranges::equal(a.of(0, 0, 0), b.of(0, 0, 0)));
  CHECK(difference(c.of(0, 0, 0), a.of(0, 0, 0)) > 1e-2);
}

TEST_CASE("a sweep costs one forward and one reverse pass and reports its progress") {
  test::CountingOp::Counts counts;
  Network network = mlp({3, 8, 5}, true, 4);
  network.logits = network.tape.record(std::make_shared<test::CountingOp>(counts), {network.tape.var(network.logits)}).id();
  std::vector<std::int64_t> progress;
  const SweepOptions options{.groups = 3, .batch = 4, .progress = [&](std::int64_t done, std::int64_t total) {
                               CHECK(total == 25);
                               progress.push_back(done);
                             }};
  sweep(network, random_tensor({25, 3}, 5), Target::pseudo_ce, {signed_mean, mean_square}, options);
  CHECK(counts.forward == 25);
  CHECK(counts.reverse == 25);
  CHECK(std::ranges::is_sorted(progress));
  CHECK(progress.front() > 0);
  CHECK(progress.back() == 25);
}

TEST_CASE("a weight that does not reach the logits has no gradient") {
  Network network = mlp({3, 8, 5}, true, 4);
  const Var aside = network.tape.parameter({.name = "aside.weight", .shape = {2, 3}});
  linear(network.tape.var(network.input), aside);
  fill_randomly(network, 4);
  const Sums sums = sweep(network, random_tensor({6, 3}, 5), Target::pseudo_ce, {mean_square});
  REQUIRE(sums.layout(0).elements.size() == 3);
  CHECK(std::ranges::all_of(total(sums, 0, 2), [](double value) { return value == 0; }));
  CHECK(std::ranges::any_of(total(sums, 0, 1), [](double value) { return value != 0; }));
}

TEST_CASE("a weight that is computed with before it is used has the batch's gradient, and no sample's own") {
  const auto network = [](bool clipped) {
    Network made{.name = "clipped", .tape = {}, .parameters = {}};
    const Var x = made.tape.input("x", Shape{4});
    const Var weight = made.tape.parameter({.name = "weight", .shape = {3, 4}});
    made.input = x.id();
    made.logits = linear(x, clipped ? relu(weight) : weight).id();
    fill_randomly(made, 4);
    return made;
  };
  const Network clipped = network(true);
  Network plain = network(false);
  for (float& w : plain.parameters.mutable_values<float>(0)) w = std::max(w, 0.0F);
  const Tensor inputs = random_tensor({23, 4}, 5);
  const SweepOptions options{.groups = 4, .batch = 5};
  const std::vector<double> with = total(sweep(clipped, inputs, Target::pseudo_ce, {signed_mean}, options), 0, 0);
  const std::vector<double> without = total(sweep(plain, inputs, Target::pseudo_ce, {signed_mean}, options), 0, 0);
  const std::span<const float> w = clipped.parameters[0].values<float>();
  for (std::size_t i = 0; i < w.size(); ++i) CHECK(with[i] == doctest::Approx(w[i] > 0 ? without[i] : 0).epsilon(1e-5));
  CHECK_THROWS_AS(sweep(clipped, inputs, Target::pseudo_ce, {mean_square}, options), Error);
}

TEST_CASE("NaN in the network or in a sample is never summed away") {
  const Tensor inputs = random_tensor({20, 3}, 5);
  const auto poisoned = [&](const Network& network, const Tensor& samples, Target target) {
    const Sums sums = sweep(network, samples, target, {signed_mean, mean_square}, {.groups = 4});
    for (std::size_t weight = 0; weight < sums.layout(0).elements.size(); ++weight)
      for (std::size_t need = 0; need < 2; ++need)
        CHECK(std::ranges::any_of(total(sums, need, weight), [](double value) { return !std::isfinite(value); }));
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Target target : {Target::top_logit, Target::pseudo_ce, Target::margin}) {
    CAPTURE(name(target));
    for (const char* parameter : {"layers.0.weight", "layers.1.weight", "layers.1.bias"}) {
      CAPTURE(parameter);
      Network network = mlp({3, 8, 2}, true, 4);
      for (float& value : network.parameters.mutable_values<float>(network.parameters.id(parameter))) value = nan;
      poisoned(network, inputs, target);
    }
    Tensor samples = inputs;
    samples.mutable_values<float>()[31] = nan;
    poisoned(mlp({3, 8, 2}, true, 4), samples, target);
  }
}

TEST_CASE("memory is that of a batch and the sums, whatever the number of samples") {
  if (!AllocationCounter::works) {
    MESSAGE("skipped: operator new cannot be counted here");
    return;
  }
  const Network network = mlp({8, 90, 90, 4}, true, 4);  // 9180 weights: 73 kB for each set of sums
  const auto peak = [&](std::int64_t samples) {
    const Tensor inputs = random_tensor({samples, 8}, 5);
    const AllocationCounter counter;
    sweep(network, inputs, Target::pseudo_ce, {mean_square}, {.groups = 4, .batch = 8});
    return counter.peak_bytes();
  };
  const std::int64_t few = peak(64), many = peak(1024);
  CHECK(few > 4 * 73'000);
  CHECK(few < 10 * 73'000);
  CHECK(many <= few + 16 * (1024 - 64));  // the order of the samples, and where their batches end
}

TEST_CASE("errors") {
  const Network network = mlp({3, 8, 5}, true, 4);
  const Tensor inputs = random_tensor({4, 3}, 5);
  const std::vector<std::int64_t> three(3), wrong = {0, 1, 5, 2};
  CHECK_THROWS_WITH_AS(sweep(network, inputs, Target::label_ce, {signed_mean}),
                       "target 'label-ce': 0 labels for 4 samples; give one label a sample or choose another target", Error);
  CHECK_THROWS_WITH_AS(sweep(network, inputs, Target::label_ce, {signed_mean}, {}, three),
                       "target 'label-ce': 3 labels for 4 samples; give one label a sample or choose another target", Error);
  CHECK_THROWS_WITH_AS(sweep(network, inputs, Target::label_ce, {signed_mean}, {}, wrong),
                       "target 'label-ce': label 5, but the network has classes 0 to 4", Error);
  CHECK_THROWS_WITH_AS(sweep(network, inputs, Target::pseudo_ce, {signed_mean}, {.batch = -1}),
                       "calibration: batches of -1 samples; use at least 1", Error);
}

}  // namespace safer
