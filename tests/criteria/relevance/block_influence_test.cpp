// block-influence against the definition of HSIC as a mean over quadruples of samples.
#include <doctest/doctest.h>

#include <cmath>

#include "engine/ops/shape_ops.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::mlp;
using test::random_tensor;

using Matrix = std::vector<std::vector<double>>;  // a row for each sample

Matrix rows(const Tensor& inputs) {
  const auto n = static_cast<std::size_t>(inputs.shape()[0]), width = inputs.values<float>().size() / n;
  Matrix all(n);
  for (std::size_t s = 0; s < n; ++s)
    for (std::size_t i = 0; i < width; ++i) all[s].push_back(inputs.values<float>()[s * width + i]);
  return all;
}

Matrix dense(const Matrix& x, std::span<const float> w, std::span<const float> b, bool relu) {
  Matrix y(x.size());
  for (std::size_t s = 0; s < x.size(); ++s)
    for (std::size_t o = 0; o < b.size(); ++o) {
      double sum = b[o];
      for (std::size_t i = 0; i < x[s].size(); ++i) sum += double{w[o * x[s].size() + i]} * x[s][i];
      y[s].push_back(relu ? std::max(0.0, sum) : sum);
    }
  return y;
}

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// E k_ij l_ij + k_ij l_qr - 2 k_ij l_iq over all different i, j, q, r.
double hsic(const Matrix& x, const Matrix& y) {
  const std::size_t n = x.size();
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t q = 0; q < n; ++q)
        for (std::size_t r = 0; r < n; ++r) {
          if (i == j || i == q || i == r || j == q || j == r || q == r) continue;
          const double k = inner(x[i], x[j]);
          sum += k * inner(y[i], y[j]) + k * inner(y[q], y[r]) - 2 * k * inner(y[i], y[q]);
          ++count;
        }
  return sum / count;
}

double influence(const Matrix& read, const Matrix& given) {
  return 1 - hsic(read, given) / std::sqrt(hsic(read, read) * hsic(given, given));
}

}  // namespace

TEST_CASE("block-influence: one minus the similarity of what a layer reads and what the next one reads") {
  const Network network = mlp({3, 7, 5, 4}, true, 3);
  const Tensor inputs = random_tensor({9, 3}, 4);
  const auto phi = test::relevance_of(network, inputs, {.criteria = {"block-influence"}});
  REQUIRE(phi.size() == 3);
  Matrix x = rows(inputs);
  for (std::size_t layer = 0; layer < 3; ++layer) {
    const Matrix y = dense(x, network.parameters[static_cast<int>(2 * layer)].values<float>(),
                           network.parameters[static_cast<int>(2 * layer + 1)].values<float>(), layer < 2);
    REQUIRE(phi[layer].size() == 1);
    CHECK(phi[layer][0] == doctest::Approx(influence(x, y)).epsilon(1e-5));
    x = y;
  }
}

TEST_CASE("block-influence: a layer that turns its inputs around has none, and scale does not count") {
  Network network = mlp({2, 2, 3}, false, 3);
  const std::span<float> w = network.parameters.mutable_values<float>(0);
  w[0] = 0, w[1] = -3, w[2] = 3, w[3] = 0;
  network.tape = {};
  const Var x = network.tape.input("x", Shape{2});
  network.input = x.id();
  const Var turned = linear(x, network.tape.parameter({.name = "layers.0.weight", .shape = {2, 2}}));
  network.logits = linear(turned, network.tape.parameter({.name = "layers.1.weight", .shape = {3, 2}})).id();
  Parameters parameters(network.tape.parameters());
  for (int id = 0; id < 2; ++id) parameters.set(id, network.parameters[id]);
  network.parameters = parameters;
  const auto phi = test::relevance_of(network, random_tensor({30, 2}, 4), {.criteria = {"block-influence"}});
  CHECK(phi[0][0] == doctest::Approx(0).epsilon(1e-6));
  CHECK(phi[1][0] > 1e-3);
}

TEST_CASE("block-influence: a part of a weight is judged by the columns that are its own") {
  const auto build = [](bool parts) {
    Network network{.name = "parts", .tape = {}, .parameters = {}};
    const Var x = network.tape.input("x", Shape{3});
    network.input = x.id();
    const Var head = network.tape.parameter({.name = "head.weight", .shape = {4, 6}});
    Var hidden;
    if (parts) {
      hidden =
          linear(x, network.tape.parameter({.name = "layers.0.weight", .shape = {6, 3}, .parts = {{"a", {0, 2}}, {"b", {2, 6}}}}));
    } else {
      const Var a = linear(x, network.tape.parameter({.name = "a.weight", .shape = {2, 3}}));
      hidden = concat({a, linear(x, network.tape.parameter({.name = "b.weight", .shape = {4, 3}}))}, 1);
    }
    network.logits = linear(hidden, head).id();
    network.parameters = Parameters(network.tape.parameters());
    network.parameters.set(0, random_tensor({4, 6}, 5));
    const Tensor both = random_tensor({6, 3}, 6);
    const std::span<const float> w = both.values<float>();
    for (int id = 1; id < network.parameters.size(); ++id) {
      const std::span<float> to = network.parameters.mutable_values<float>(id);
      std::ranges::copy(w.subspan(id == 2 ? 6 : 0, to.size()), to.begin());
    }
    return network;
  };
  const Tensor inputs = random_tensor({40, 3}, 5);
  const auto scores = [&](const Network& network) {
    return rank_layers(network, inputs, {.criteria = {"block-influence"}, .resamples = 0}).reports[0].layers;
  };
  const auto parts = scores(build(true)), apart = scores(build(false));
  REQUIRE(parts.size() == 3);
  REQUIRE(apart.size() == 3);
  for (std::size_t layer = 0; layer < 2; ++layer) CHECK(parts[layer].score == doctest::Approx(apart[layer].score).epsilon(1e-6));
}

TEST_CASE("block-influence: no number with three samples, nor without samples that differ") {
  const Network network = mlp({3, 7, 4}, true, 3);
  const auto first = [&](const Tensor& inputs) {
    return rank_layers(network, inputs, {.criteria = {"block-influence"}, .resamples = 0}).reports[0].layers[0].score;
  };
  CHECK(std::isnan(first(random_tensor({3, 3}, 4))));
  CHECK(std::isfinite(first(random_tensor({4, 3}, 4))));
}

}  // namespace safer
