#include "criteria/relevance/gig.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {

using test::mlp;
using test::random_tensor;
using test::relevance_of;

TEST_CASE("GIG sums to what shrinking a layer to 0 takes away, the better the more steps") {
  const Network network = mlp({3, 12, 9, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const test::PlainMlp whole(network);
  for (const int steps : {50, 2000}) {
    const auto phi = relevance_of(network, inputs, {.criteria = {"gig"}, .target = "top-logit", .steps = steps});
    for (std::size_t l = 0; l < phi.size(); ++l) {
      const test::PlainMlp without(test::scaled(network, static_cast<int>(2 * l), 0));
      const double before = mean_top_logit(whole, whole, inputs), change = before - mean_top_logit(whole, without, inputs);
      CHECK(std::abs(test::total(phi[l]) - change) < (steps == 50 ? 0.1 : 0.01) * std::abs(before));
    }
  }
}

TEST_CASE("where the target is linear in a layer, GIG is w E[g], for any number of steps") {
  const Network network = mlp({3, 12, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const auto plain = relevance_of(network, inputs, {.preset = "paper", .criteria = {"weight-x-gradient"}});
  for (const int steps : {1, 50}) {
    const auto phi = relevance_of(network, inputs, {.preset = "paper", .criteria = {"gig"}, .steps = steps});
    CHECK(test::difference(phi[1], plain[1]) < 5e-6);
  }
}

TEST_CASE("joint GIG sums, over all layers, to what shrinking all to 0 takes away") {
  const Network network = mlp({3, 12, 9, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const test::PlainMlp whole(network);
  Network zeroed = network;
  for (const int weight : {0, 2, 4}) zeroed = test::scaled(zeroed, weight, 0);
  const double change = mean_top_logit(whole, whole, inputs) - mean_top_logit(whole, test::PlainMlp(zeroed), inputs);
  const auto phi = relevance_of(network, inputs, {.criteria = {"gig"}, .target = "top-logit", .path = "joint", .steps = 2000});
  double sum = 0;
  for (const std::vector<double>& layer : phi) sum += test::total(layer);
  CHECK(sum == doctest::Approx(change).epsilon(0.01));
}

TEST_CASE("GIG of a network with a NaN fails instead of ending somewhere") {
  Network network = mlp({3, 12, 4}, true, 5);
  network.parameters.mutable_values<float>(2)[3] = std::numeric_limits<float>::quiet_NaN();
  const RankReport report = rank_layers(network, random_tensor({20, 3}, 6), {.criteria = {"gig"}}).reports[0];
  for (const RankedLayer& layer : report.layers) CHECK(layer.failed);
}

}  // namespace safer
