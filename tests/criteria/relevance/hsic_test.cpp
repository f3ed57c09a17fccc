#include "criteria/relevance/hsic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/ops/conv.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "engine/random.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

std::vector<float> random_outputs(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> y(n);
  for (float& value : y) value = static_cast<float>(random.normal());
  return y;
}

/// trace(K H L H) / p with H = 1 - 11^T / p and K = 1 + 1/2 - (m - m')^2, in plain matrices.
double plain_hsic(const Masks& masks, std::size_t neuron, std::span<const float> y, double width) {
  const std::size_t p = masks.count;
  const auto centred = [&](const auto& kernel) {
    std::vector<double> k(p * p), h(p * p);
    for (std::size_t i = 0; i < p; ++i)
      for (std::size_t j = 0; j < p; ++j) k[i * p + j] = kernel(i, j);
    std::vector<double> rows(p), columns(p);
    double all = 0;
    for (std::size_t i = 0; i < p; ++i)
      for (std::size_t j = 0; j < p; ++j) rows[i] += k[i * p + j], columns[j] += k[i * p + j], all += k[i * p + j];
    const auto n = static_cast<double>(p);
    for (std::size_t i = 0; i < p; ++i)
      for (std::size_t j = 0; j < p; ++j) h[i * p + j] = k[i * p + j] - rows[i] / n - columns[j] / n + all / (n * n);
    return h;
  };
  const std::vector<double> K = centred([&](std::size_t i, std::size_t j) {
    const double difference = masks.keeps(i, neuron) - masks.keeps(j, neuron);
    return 1 + 0.5 - difference * difference;
  });
  const std::vector<double> L = centred([&](std::size_t i, std::size_t j) {
    const double difference = double{y[i]} - y[j];
    return std::exp(-difference * difference / (2 * width * width));
  });
  return std::inner_product(K.begin(), K.end(), L.begin(), 0.0) / static_cast<double>(p);
}

std::vector<double> dependence(const Masks& masks, std::span<const float> y, double width) {
  OutputKernel kernel(masks.count);
  kernel.add(y, std::vector<double>{width});
  std::vector<double> hsic(masks.neurons);
  kernel.add_dependence(hsic, masks, 0);
  return hsic;
}

}  // namespace

using test::difference;
using test::fill_randomly;
using test::mlp;
using test::random_tensor;
using test::relevance_of;

TEST_CASE("a design is balanced, and a neuron's column does not depend on the other neurons") {
  for (const std::size_t count : {2U, 7U, 64U}) {
    const Masks masks = balanced_masks(count, 9, 0.5, 4), wide = balanced_masks(count, 30, 0.5, 4);
    for (std::size_t d = 0; d < 9; ++d) {
      std::size_t kept = 0;
      for (std::size_t k = 0; k < count; ++k) {
        kept += masks.keeps(k, d);
        CHECK(masks.keeps(k, d) == wide.keeps(k, d));
      }
      CHECK(kept == (count + 1) / 2);
    }
  }
  const Masks most = balanced_masks(50, 3, 0.9, 4);
  CHECK(std::ranges::count(most.keep, 1) == 3 * 45);
  CHECK(balanced_masks(64, 9, 0.5, 4).keep != balanced_masks(64, 9, 0.5, 5).keep);
}

TEST_CASE("the median of positive distances, by sorting them all") {
  const auto check = [](const std::vector<float>& a, const std::vector<float>& b) {
    std::vector<float> distances;
    for (const std::vector<float>& set : {a, b})
      for (std::size_t i = 0; i < set.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (set[i] != set[j]) distances.push_back(std::abs(set[i] - set[j]));
    std::ranges::sort(distances);
    CHECK(median_distance(std::vector<std::span<const float>>{a, b}) == double{distances[(distances.size() - 1) / 2]});
  };
  for (const std::size_t n : {2U, 3U, 10U, 61U, 200U}) {
    const std::vector<float> a = random_outputs(n, 1);
    std::vector<float> b = random_outputs(n + 4, 2);
    for (std::size_t i = 0; i < n; i += 2) b[i] = 0.25F;  // ties
    check(a, b);
  }
  // Distances of all sizes, some too large for a float; and clusters far apart.
  std::vector<float> powers, clusters;
  for (int i = 0; i < 200; ++i) {
    powers.push_back((i % 2 == 0 ? 1.0F : -1.0F) * std::pow(10.0F, 0.38F * static_cast<float>(i) - 37.2F));
    clusters.push_back(std::pow(2.0F, static_cast<float>(i % 3) * 40) * (1 + 1e-6F * static_cast<float>(i)));
  }
  check(powers, clusters);
  check(powers, {0, 1});
  check({0, 1e-30F}, clusters);
  const std::vector<float> equal(5, 3.0F), bad = {1, std::numeric_limits<float>::infinity()};
  CHECK(median_distance(std::vector<std::span<const float>>{equal}) == 1);
  CHECK(std::isnan(median_distance(std::vector<std::span<const float>>{equal, bad})));
}

TEST_CASE("HSIC by centred kernel matrices is the short form for 0/1 masks") {
  for (const double share : {0.5, 0.9}) {
    const Masks masks = balanced_masks(40, 6, share, 11);
    const std::vector<float> y = random_outputs(40, 12);
    const std::vector<double> hsic = dependence(masks, y, 0.7);
    for (std::size_t d = 0; d < masks.neurons; ++d) {
      const double plain = plain_hsic(masks, d, y, 0.7);
      CHECK(std::abs(hsic[d] - plain) < 2e-7);  // kernels of the outputs are exponentials in float
      CHECK(plain >= 0);
    }
  }
}

TEST_CASE("the short form is exact where the kernel of the outputs is") {
  // Outputs 0 and 1e4 are apart by e^-(10^8 / 2) = 0: L is a matrix of zeros and ones.
  const Masks masks = balanced_masks(36, 5, 0.5, 3);
  std::vector<float> y(36);
  for (std::size_t k = 0; k < y.size(); ++k) y[k] = masks.keeps(k, 2) ? 1e4F : 0;
  const std::vector<double> hsic = dependence(masks, y, 1);
  for (std::size_t d = 0; d < masks.neurons; ++d) CHECK(hsic[d] == doctest::Approx(plain_hsic(masks, d, y, 1)).epsilon(1e-12));
  CHECK(hsic[2] == doctest::Approx(36 / 4.0).epsilon(1e-12));  // y is the mask itself: 2/p (c^T c)^2 / ... = p / 4
  for (const std::size_t d : {0U, 1U, 3U, 4U}) CHECK(hsic[d] < 0.3 * hsic[2]);
}

TEST_CASE("HSIC is 0 for constant outputs, never negative, and permutes with the neurons") {
  const Masks masks = balanced_masks(64, 8, 0.5, 21);
  for (const double value : dependence(masks, std::vector<float>(64, 2.5F), 1)) CHECK(value == 0);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> y = random_outputs(64, seed);
    const std::vector<double> hsic = dependence(masks, y, 0.5);
    for (const double value : hsic) CHECK(value > 0);
    Masks reversed = masks;
    for (std::size_t k = 0; k < masks.count; ++k)
      for (std::size_t d = 0; d < masks.neurons; ++d) reversed.keep[k * masks.neurons + d] = masks.keeps(k, masks.neurons - 1 - d);
    const std::vector<double> other = dependence(reversed, y, 0.5);
    for (std::size_t d = 0; d < masks.neurons; ++d) CHECK(other[d] == hsic[masks.neurons - 1 - d]);
  }
}

TEST_CASE("samples add up") {
  const Masks masks = balanced_masks(32, 4, 0.5, 5);
  const std::vector<float> y = random_outputs(3 * 32, 6);
  const std::vector<double> widths = {0.5, 1, 2};
  OutputKernel kernel(32);
  kernel.add(y, widths);
  std::vector<double> together(4), alone(4);
  kernel.add_dependence(together, masks, 0);
  for (std::size_t s = 0; s < 3; ++s) {
    const std::vector<double> one = dependence(masks, std::span(y).subspan(s * 32, 32), widths[s]);
    for (std::size_t d = 0; d < 4; ++d) alone[d] += one[d];
  }
  for (std::size_t d = 0; d < 4; ++d) CHECK(together[d] == doctest::Approx(alone[d]).epsilon(1e-10));
}

TEST_CASE("a neuron that nobody reads has about no dependence, and one value a neuron is what comes out") {
  Network network = mlp({3, 12, 4}, true, 5);
  const std::span<float> head = network.parameters.mutable_values<float>(2);  // [4, 12]
  for (std::size_t o = 0; o < 4; ++o) head[o * 12 + 7] = 0;
  const auto phi = relevance_of(network, random_tensor({40, 3}, 6), {.criteria = {"hsic"}, .target = "top-logit"});
  REQUIRE(phi[0].size() == 12);
  REQUIRE(phi[1].size() == 4);
  std::vector<double> others = phi[0];
  others.erase(others.begin() + 7);
  CHECK(phi[0][7] < 1);  // independent variables have (1 - mean L) / 2 on average, equal ones p / 4 = 64 times 1 - L_01
  CHECK(phi[0][7] < 0.2 * *std::ranges::max_element(others));
  for (const double value : phi[0]) CHECK(value > 0);
}

TEST_CASE("a mask takes a neuron's row and its bias: the target of a network without both") {
  // One neuron and one logit: y is f where it is there and the head's bias where it is not, which two values the kernel tells
  // apart.
  Network network = mlp({2, 1, 1}, true, 3);
  network.parameters.mutable_values<float>(1)[0] = 5;  // a bias that would be seen if it stayed
  const Tensor inputs = random_tensor({1, 2}, 4);
  const auto phi = relevance_of(network, inputs, {.criteria = {"hsic"}, .target = "top-logit", .masks = 8});
  // Both layers: width = the distance of the two values = that of layer 0; layer 1 goes from f to 0.
  const test::PlainMlp plain(network);
  const double f = plain.logits(inputs.values<float>())[0];
  const double without = network.parameters[3].values<float>()[0], d0 = std::abs(f - without), d1 = std::abs(f);
  const double width = std::min(d0, d1);
  const auto expected = [&](double d) { return 8 / 4.0 * (1 - std::exp(-d * d / (2 * width * width))); };
  CHECK(phi[0][0] == doctest::Approx(expected(d0)).epsilon(1e-4));
  CHECK(phi[1][0] == doctest::Approx(expected(d1)).epsilon(1e-4));
}

TEST_CASE("masking neurons in what their op gives is masking their weights") {
  // A weight that is reshaped before its op reads it can only be masked itself.
  const auto network = [](bool reshaped) {
    Network net{.name = "convolutions", .tape = {}, .parameters = {}};
    const auto weight = [&](const char* name, const Shape& shape) {
      const Var W = net.tape.parameter({.name = name, .shape = shape});
      return reshaped ? reshape(W, shape) : W;
    };
    const Var x = net.tape.input("x", Shape{2, 6, 6});
    net.input = x.id();
    Var y = relu(conv2d(x, weight("conv1", {5, 2, 3, 3})));
    y = conv2d(y, weight("conv2", {4, 5, 2, 2}));
    y = linear(flatten(relu(global_average_pool(y))), weight("dense", {6, 4}));
    net.logits = linear(relu(y), weight("head", {3, 6})).id();
    fill_randomly(net, 3);
    return net;
  };
  const Tensor inputs = random_tensor({21, 2, 6, 6}, 4);
  const RankOptions options{.criteria = {"hsic"}, .masks = 16, .batch = 8};
  const auto behind = relevance_of(network(false), inputs, options), in_weight = relevance_of(network(true), inputs, options);
  REQUIRE(behind.size() == 4);
  REQUIRE(in_weight.size() == 4);
  for (std::size_t layer = 0; layer < behind.size(); ++layer) {
    CAPTURE(layer);
    CHECK(difference(behind[layer], in_weight[layer]) < 1e-5);
  }
}

TEST_CASE("joint HSIC has a value for each neuron of each layer from one design") {
  const Network network = mlp({3, 12, 9, 4}, true, 5);
  const Tensor inputs = random_tensor({40, 3}, 6);
  RankOptions options{.criteria = {"hsic"}, .path = "joint", .masks = 64};
  CHECK(rank_layers(network, inputs, options).sweeps == 64);
  const auto phi = relevance_of(network, inputs, options);
  REQUIRE(phi.size() == 3);
  CHECK(phi[1].size() == 9);
  options.path = "layer";
  CHECK(rank_layers(network, inputs, options).sweeps == 3 * 64);
}

TEST_CASE("HSIC has intervals, and fails where the network does") {
  Network network = mlp({3, 12, 4}, true, 5);
  const RankOptions options{.criteria = {"hsic"}, .masks = 32};
  const RankReport report = rank_layers(network, random_tensor({40, 3}, 6), options).reports[0];
  CHECK(report.masks == 32);
  CHECK(report.path == "layer");
  CHECK(report.resampled);
  for (const RankedLayer& layer : report.layers) CHECK(layer.score_low < layer.score_high);
  network.parameters.mutable_values<float>(3)[0] = std::numeric_limits<float>::quiet_NaN();
  const RankReport broken = rank_layers(network, random_tensor({40, 3}, 6), options).reports[0];
  for (const RankedLayer& layer : broken.layers) CHECK(layer.failed);
}

}  // namespace safer
