#include "criteria/relevance/ig.h"

#include <doctest/doctest.h>

#include <cmath>

#include "models/moons.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {

using test::mlp;
using test::random_tensor;
using test::relevance_of;
using test::total;
using Phi = std::vector<std::vector<double>>;

TEST_CASE("IG of a bias-free ReLU network is w E[g], for any number of steps") {
  const Network network = mlp({3, 11, 7, 5, 4}, false, 8);
  const Tensor inputs = random_tensor({21, 3}, 9);
  const Phi expected = relevance_of(network, inputs, {.preset = "paper", .criteria = {"weight-x-gradient"}});
  const Phi gradient = relevance_of(network, inputs, {.preset = "paper", .criteria = {"gradient"}});
  for (const int steps : {1, 2, 7, 32}) {
    const Phi phi = relevance_of(network, inputs, {.criteria = {"ig"}, .target = "top-logit", .steps = steps});
    const Phi paper = relevance_of(network, inputs, {.preset = "paper", .criteria = {"ig"}, .steps = steps});
    for (std::size_t l = 0; l < phi.size(); ++l) {
      CHECK(test::difference(phi[l], expected[l]) < 5e-6);
      CHECK(test::difference(paper[l], gradient[l]) < 5e-6);  // without the factor w
    }
  }
}

TEST_CASE("IG is complete: over a layer it sums to what scaling the layer to 0 takes away") {
  const Network network = mlp({3, 12, 9, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const test::PlainMlp whole(network);
  std::vector<double> errors;
  for (const int steps : {16, 1024}) {
    const Phi phi = relevance_of(network, inputs, {.criteria = {"ig"}, .target = "top-logit", .steps = steps});
    double error = 0;
    for (std::size_t l = 0; l < phi.size(); ++l) {
      const test::PlainMlp without(test::scaled(network, static_cast<int>(2 * l), 0));
      const double change = mean_top_logit(whole, whole, inputs) - mean_top_logit(whole, without, inputs);
      error = std::max(error, std::abs(total(phi[l]) - change) / std::abs(change));
    }
    errors.push_back(error);
  }
  // The gradient jumps where a ReLU does, so that midpoints err by O(1 / steps) for each sample.
  CHECK(errors[0] < 0.05);
  CHECK(errors[1] < 0.05 / 64);
}

TEST_CASE("joint IG of a bias-free ReLU network gives each of L layers a sum of f / L") {
  const Network network = mlp({3, 11, 7, 4}, false, 8);
  const Tensor inputs = random_tensor({21, 3}, 9);
  const test::PlainMlp plain(network);
  const Phi phi = relevance_of(network, inputs, {.criteria = {"ig"}, .target = "top-logit", .path = "joint", .steps = 400});
  for (const std::vector<double>& layer : phi)
    // f(lambda W) = lambda^3 f, whose derivative midpoints integrate to 1 - 1 / 4 steps^2.
    CHECK(total(layer) == doctest::Approx(mean_top_logit(plain, plain, inputs) / 3).epsilon(1e-5));
}

TEST_CASE("IG moves one layer, and reads the others as they are") {
  // Where the second layer is scaled, the first one's activations stay: their ReLU never changes, so that IG is exact.
  const Network network = mlp({3, 12, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const Phi one = relevance_of(network, inputs, {.criteria = {"ig"}, .target = "top-logit", .steps = 1});
  const Phi plain = relevance_of(network, inputs, {.preset = "paper", .criteria = {"weight-x-gradient"}});
  CHECK(test::difference(one[1], plain[1]) < 5e-6);
  CHECK(test::difference(one[0], plain[0]) > 1e-2);
}

TEST_CASE("IG does not depend on how samples are batched, on residuals or on attention") {
  for (const MoonsFamily family : {MoonsFamily::vanilla, MoonsFamily::skip, MoonsFamily::transformer}) {
    const Network network = make_moons_network({.family = family, .depth = 2, .widths = {8}});
    const Tensor inputs = random_tensor({30, 2}, 6);
    for (const char* path : {"layer", "joint"}) {
      const Phi at_once = relevance_of(network, inputs, {.criteria = {"ig"}, .path = path, .steps = 4});
      const Phi by_seven = relevance_of(network, inputs, {.criteria = {"ig"}, .path = path, .steps = 4, .batch = 7});
      for (std::size_t l = 0; l < at_once.size(); ++l) {
        CAPTURE(network.name);
        CAPTURE(l);
        if (std::ranges::all_of(at_once[l], [](double value) { return value == 0; })) continue;
        CHECK(test::difference(by_seven[l], at_once[l]) < 1e-4);
      }
    }
  }
}

TEST_CASE("IG has intervals: it is a mean over samples") {
  const RankReport report =
      rank_layers(mlp({3, 12, 4}, true, 5), random_tensor({40, 3}, 6), {.criteria = {"ig"}, .steps = 3}).reports[0];
  CHECK(report.path == "layer");
  CHECK(report.steps == 3);
  CHECK(report.resampled);
  for (const RankedLayer& layer : report.layers) CHECK(layer.score_low < layer.score_high);
}

}  // namespace safer
