#include "criteria/relevance/probe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "criteria/rank_layers.h"
#include "criteria/relevance/hsic.h"
#include "criteria/relevance/ig.h"
#include "criteria/relevance/sweep.h"
#include "criteria/relevance/table.h"
#include "engine/error.h"
#include "tests/criteria/counting_op.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::mlp;
using test::random_tensor;

/// A network of two layers that counts the samples that pass behind the first, and behind the last.
struct Counted {
  test::CountingOp::Counts middle, end;
  Network network{.name = "counted", .tape = {}, .parameters = {}};

  Counted() {
    const auto count = [](Var x, test::CountingOp::Counts& counts) {
      return x.tape().record(std::make_shared<test::CountingOp>(counts), {x});
    };
    const Var x = network.tape.input("x", Shape{3});
    const Var first = network.tape.parameter({.name = "first.weight", .shape = {6, 3}});
    const Var second = network.tape.parameter({.name = "second.weight", .shape = {4, 6}});
    network.input = x.id();
    network.logits = count(linear(count(relu(linear(x, first)), middle), second), end).id();
    test::fill_randomly(network, 4);
  }
};

}  // namespace

TEST_CASE("every probe that a criterion has is in the table, and the table has no other") {
  for (const ProbeInfo& probe : probes()) {
    CHECK(&info(probe.probe) == &probe);
    const bool used = std::ranges::any_of(criteria(), [&](const Criterion* criterion) {
      return std::ranges::any_of(presets(), [&](const Preset& preset) { return criterion->needs(preset.id).probe == probe.probe; });
    });
    CHECK(used);
  }
  for (const Criterion* criterion : criteria())
    for (const Preset& preset : presets()) {
      const Probe probe = criterion->needs(preset.id).probe;
      if (probe != Probe::none) CHECK(std::ranges::find(probes(), probe, &ProbeInfo::probe) != probes().end());
    }
}

TEST_CASE("sweeps run the samples as often as they say, and from the moved layer on") {
  const std::int64_t n = 20;
  const Tensor inputs = random_tensor({n, 3}, 5);
  struct Expected {
    const char* criterion;
    // middle, end: passes of all samples, beside those that `sweeps` counts one for the pins, and with masks one for the classes
    std::int64_t sweeps, middle, end;
  };
  // With T steps a layer: the first layer's pass the middle, the second's do not.
  for (const Expected& expected : {Expected{"gradient", 1, 1, 1}, Expected{"ig", 2 * 4, 1 + 4, 1 + 2 * 4},
                                   Expected{"idgi", 2 * 5, 1 + 5, 1 + 2 * 5}, Expected{"gig", 2 * 4, 1 + 4, 1 + 2 * 4},
                                   Expected{"vargrad", 7, 1 + 7, 1 + 7}, Expected{"hsic", 2 * 8, 2 + 8, 2 + 2 * 8}}) {
    Counted counted;
    CAPTURE(expected.criterion);
    std::int64_t done = 0, total = 0;
    const RankResult result = rank_layers(counted.network, inputs,
                                          {.criteria = {expected.criterion},
                                           .steps = 4,
                                           .draws = 7,
                                           .masks = 8,
                                           .resamples = 0,
                                           .progress = [&](std::int64_t now, std::int64_t of) { done = now, total = of; }});
    CHECK(result.sweeps == expected.sweeps);
    CHECK(counted.middle.forward == n * expected.middle);
    CHECK(counted.end.forward == n * expected.end);
    CHECK(counted.end.reverse == (std::string(expected.criterion) == "hsic" ? 0 : n * expected.sweeps));
    CHECK(done == total);
    CHECK(total == n * expected.sweeps);
  }
}

TEST_CASE("runs of several batches, too, begin at the moved layer") {
  const std::int64_t n = 20;
  for (const std::int64_t batch : {20, 7}) {
    CAPTURE(batch);
    Counted counted;
    const std::vector<int> weights = {0, 1};
    const std::vector<Needs> needs = {ig_criterion.needs(PresetId::recommended), hsic_criterion.needs(PresetId::recommended)};
    sweep(counted.network, {random_tensor({n, 3}, 5), {}, Target::pseudo_ce}, weights, needs,
          {.batch = batch, .probes = {.steps = 4, .masks = 8}});
    CHECK(counted.middle.forward == n * (1 + 4 + 2 + 8));
    CHECK(counted.end.forward == n * (1 + 2 * 4 + 2 + 2 * 8));
    CHECK(counted.end.reverse == n * 2 * 4);
  }
}

TEST_CASE("all criteria in one call give what each gives alone, for one pass a probe") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({30, 3}, 4);
  for (const Preset& preset : presets()) {
    RankOptions options{
        .preset = std::string(preset.name), .criteria = {"all"}, .masks = 16, .keep_relevance = true, .resamples = 0};
    const RankResult together = rank_layers(network, inputs, options);
    std::vector<Relevance> alone;
    for (const Criterion* criterion : criteria()) {
      options.criteria = {std::string(criterion->name)};
      for (const Relevance& relevance : rank_layers(network, inputs, options).relevance) alone.push_back(relevance);
    }
    REQUIRE(alone.size() == together.relevance.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CAPTURE(alone[i].criterion);
      const std::span<const float> a = alone[i].values.values<float>(), b = together.relevance[i].values.values<float>();
      const std::vector<double> one(a.begin(), a.end()), all(b.begin(), b.end());
      CHECK(test::difference(one, all) < 2e-6);  // sums by samples or by groups round differently
    }
    CHECK(together.sweeps == 3 + 3 * 32 + 3 * 33 + 3 * 50 + 25 + 3 * 16 + 1 + 3 * 12 + 8 + 1);
  }
}

TEST_CASE("a NaN is a failure by every criterion that reads data, however the layers move") {
  Network network = mlp({3, 9, 6, 4}, true, 3);
  // The bias of one logit, behind all weights: there is no answer to ask for, even if other logits are numbers.
  network.parameters.mutable_values<float>(5)[2] = std::numeric_limits<float>::quiet_NaN();
  const Tensor inputs = random_tensor({20, 3}, 4);
  for (const Preset& preset : presets())
    for (const char* path : {"layer", "joint"}) {
      const RankResult result = rank_layers(
          network, inputs, {.preset = std::string(preset.name), .criteria = {"all"}, .path = path, .draws = 3, .masks = 8});
      for (const RankReport& report : result.reports) {
        CAPTURE(report.criterion);
        if (report.target == "none") continue;
        for (const RankedLayer& layer : report.layers) CHECK(layer.failed);
      }
    }
}

TEST_CASE("a layer that leads nowhere is irrelevant by every criterion that reads data") {
  Network network = mlp({3, 8, 5}, true, 4);
  linear(network.tape.var(network.input), network.tape.parameter({.name = "aside.weight", .shape = {2, 3}}));
  test::fill_randomly(network, 4);
  const RankResult result =
      rank_layers(network, random_tensor({20, 3}, 5), {.criteria = {"all"}, .reductions = {"linf"}, .draws = 3, .masks = 8});
  for (const RankReport& report : result.reports) {
    CAPTURE(report.criterion);
    if (report.target == "none") continue;
    CHECK(report.layers[2].score == 0);
    CHECK(report.layers[0].score > 0);
    CHECK(report.layers[1].score > 0);
  }
}

TEST_CASE("options that make no sense are refused") {
  const Network network = mlp({3, 8, 5}, true, 4);
  const Tensor inputs = random_tensor({20, 3}, 5);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.path = "both"}), "unknown path 'both'; choose one of: layer, joint", Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.steps = -1}), "path: -1 steps; use at least 1", Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.draws = 1}), "noise: 1 draws; use at least 2", Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.noise = -0.5}), "noise: deviation -0.5; use a number of 0 or more", Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.masks = 1}), "masks: 1; use at least 2", Error);
}

}  // namespace safer
