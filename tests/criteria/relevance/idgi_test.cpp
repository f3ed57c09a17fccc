#include "criteria/relevance/idgi.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/criteria/numbers.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using Values = std::vector<double>;

Values shares(std::vector<std::pair<Values, double>> steps) {
  DirectionSum sum(steps.front().first.size());
  for (const auto& [gradient, change] : steps) sum.add(gradient, change);
  return {sum.finish().begin(), sum.finish().end()};
}

}  // namespace

using test::mlp;
using test::random_tensor;
using test::relevance_of;

TEST_CASE("a change is shared in proportion to squared gradients") {
  CHECK(shares({{{1, -2, 0}, 5}}) == Values{1, 4, 0});
  CHECK(shares({{{1, -2, 0}, 5}, {{3, 0, 3}, -2}}) == Values{0, 4, -1});
}

TEST_CASE("a change without a gradient goes to the next step, or back to the last") {
  CHECK(shares({{{0, 0}, 4}, {{3, 4}, 1}}) == Values{5 * 9.0 / 25, 5 * 16.0 / 25});
  CHECK(shares({{{3, 4}, 1}, {{0, 0}, 4}, {{1e-20, 0}, 5}}) == Values{1 * 9.0 / 25 + 9 * 9.0 / 25, 1 * 16.0 / 25 + 9 * 16.0 / 25});
  CHECK(shares({{{0, 0}, 4}}) == Values{0, 0});
}

TEST_CASE("NaN is not taken for a step without a gradient") {
  CHECK(std::isnan(shares({{{test::nan, 1}, 1}, {{1, 1}, 1}})[1]));
  CHECK(std::isnan(shares({{{1, 1}, test::nan}, {{1, 1}, 1}})[1]));
}

TEST_CASE("IDGI telescopes: whatever the number of steps, a layer's sum is f(W) - f(0)") {
  const Tensor inputs = random_tensor({40, 3}, 6);
  for (const bool biases : {false, true}) {
    const Network network = mlp({3, 12, 9, 4}, biases, 5);
    const test::PlainMlp whole(network);
    for (const int steps : {1, 3, 32}) {
      const auto phi = relevance_of(network, inputs, {.criteria = {"idgi"}, .target = "top-logit", .steps = steps});
      for (std::size_t l = 0; l < phi.size(); ++l) {
        const int weight = static_cast<int>(biases ? 2 * l : l);
        const test::PlainMlp without(test::scaled(network, weight, 0));
        const double before = mean_top_logit(whole, whole, inputs), change = before - mean_top_logit(whole, without, inputs);
        CAPTURE(steps);
        CAPTURE(l);
        // Without biases, what follows a layer at 0 is dead, unless it is the last: the first step has no gradient at all.
        if (!biases && steps == 1 && l + 1 < phi.size())
          CHECK(test::total(phi[l]) == 0);
        else
          CHECK(std::abs(test::total(phi[l]) - change) < 1e-5 * std::abs(before));
      }
    }
  }
}

TEST_CASE("joint IDGI telescopes over all layers together") {
  const Network network = mlp({3, 12, 9, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  const test::PlainMlp whole(network);
  Network zeroed = network;
  for (const int weight : {0, 2, 4}) zeroed = test::scaled(zeroed, weight, 0);
  const double change = mean_top_logit(whole, whole, inputs) - mean_top_logit(whole, test::PlainMlp(zeroed), inputs);
  const auto phi = relevance_of(network, inputs, {.criteria = {"idgi"}, .target = "top-logit", .path = "joint"});
  double sum = 0;
  for (const std::vector<double>& layer : phi) sum += test::total(layer);
  CHECK(sum == doctest::Approx(change).epsilon(1e-5));
}

TEST_CASE("IDGI says that it has no intervals") {
  const RankReport report = rank_layers(mlp({3, 12, 4}, true, 5), random_tensor({40, 3}, 6), {.criteria = {"idgi"}}).reports[0];
  CHECK(report.steps == 32);
  CHECK_FALSE(report.resampled);
  for (const RankedLayer& layer : report.layers) {
    CHECK(std::isnan(layer.score_low));
    CHECK(layer.rank_high == 2);
  }
}

}  // namespace safer
