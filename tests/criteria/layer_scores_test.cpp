#include "criteria/layer_scores.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "criteria/relevance/table.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using Values = std::vector<double>;

/// A weight [out, in] = [6, 2] (or [in, out] = [2, 6]) whose output rows are three layers, and a plain one.
Network fused(bool in_out) {
  Network network{.name = "fused", .tape = {}, .parameters = {}};
  const Var x = network.tape.input("x", Shape{2});
  const Shape shape = in_out ? Shape{2, 6} : Shape{6, 2};
  const Var qkv = network.tape.parameter({.name = "qkv.weight",
                                          .shape = shape,
                                          .output_axis = in_out ? 1 : 0,
                                          .parts = {{"q", {0, 2}}, {"k", {2, 4}}, {"v", {4, 6}}}});
  const Var head = network.tape.parameter({.name = "head.weight", .shape = {3, 6}});
  network.input = x.id();
  network.logits = linear(linear(x, qkv, {}, {}, in_out ? WeightLayout::in_out : WeightLayout::out_in), head).id();
  test::fill_randomly(network, 3);
  return network;
}

}  // namespace

TEST_CASE("the elements and the shape of a part, on either axis") {
  const Values values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  Values part(12);
  const auto of = [&](const Layer& layer, const Shape& shape) {
    const std::span<const double> own = layer_elements(layer, shape, values, part);
    return Values(own.begin(), own.end());
  };
  CHECK(of({"", 0, {2, 4}, 0, {}}, {6, 2}) == Values{4, 5, 6, 7});
  CHECK(of({"", 0, {2, 4}, 1, {}}, {2, 6}) == Values{2, 3, 8, 9});
  CHECK(of({"", 0, {1, 2}, 1, {}}, {2, 3, 2}) == Values{2, 3, 8, 9});
  CHECK(of({"", 0, {0, 6}, 0, {}}, {6, 2}) == values);
  CHECK(layer_shape({"", 0, {2, 4}, 1, {}}, {2, 6}) == Shape{2, 2});
  CHECK(layer_shape({"", 0, {0, 1}, 0, {}}, {}) == Shape{});
}

TEST_CASE("a part is scored by its own rows") {
  for (const bool in_out : {false, true}) {
    const Network network = fused(in_out);
    const std::vector<Layer> layers = network.tape.layers();
    REQUIRE(layers.size() == 4);
    const std::vector<int> weights = {layers[0].parameter, layers[3].parameter};
    const Sums sums({}, {0});
    const LayerScores::Request request{
        PresetId::paper, {&find_criterion("weight")}, {&find_reduction("l1"), &find_reduction("linf")}};
    const LayerScores scores(request, network.parameters, weights, layers, sums);
    Values out(scores.scores());
    scores.score(out);
    const std::span<const float> w = network.parameters["qkv.weight"].values<float>();
    for (std::size_t part = 0; part < 3; ++part) {
      double sum = 0, largest = 0;
      for (std::size_t o = 2 * part; o < 2 * part + 2; ++o)
        for (std::size_t i = 0; i < 2; ++i) {
          const double value = std::abs(in_out ? w[i * 6 + o] : w[o * 2 + i]);
          sum += value, largest = std::max(largest, value);
        }
      CHECK(out[part] == doctest::Approx(sum).epsilon(1e-15));
      CHECK(out[4 + part] == largest);
    }
  }
}

TEST_CASE("groups count as often as they are drawn") {
  const Network network = test::mlp({2, 3}, false, 1);
  const std::vector<Layer> layers = network.tape.layers();
  Sums sums({{{6}}}, {2, 6});
  for (std::size_t i = 0; i < 6; ++i) sums.of(0, 0, 0)[i] = 1, sums.of(0, 1, 0)[i] = 12;
  const LayerScores::Request request{
      PresetId::paper, {&find_criterion("gradient")}, {&find_reduction("mean"), &find_reduction("l1")}};
  const std::vector<int> weights = {0};
  const LayerScores scores(request, network.parameters, weights, layers, sums);
  const std::vector<int> draws = {1, 1, 2, 0, 0, 2};
  Values out(3 * scores.scores());
  scores.resample(draws, out);
  CHECK(out == Values{13.0 / 8, 6 * 13.0 / 8, 2.0 / 4, 6 * 2.0 / 4, 24.0 / 12, 6 * 24.0 / 12});
}

TEST_CASE("a group that is not drawn cannot spoil a resample") {
  const Network network = test::mlp({1, 1}, false, 1);
  const std::vector<Layer> layers = network.tape.layers();
  Sums sums({{{1}}}, {1, 1});
  sums.of(0, 0, 0)[0] = 3, sums.of(0, 1, 0)[0] = std::numeric_limits<double>::quiet_NaN();
  const LayerScores::Request request{PresetId::paper, {&find_criterion("gradient")}, {&find_reduction("l1")}};
  const std::vector<int> weights = {0};
  const LayerScores scores(request, network.parameters, weights, layers, sums);
  Values out(2);
  scores.resample(std::vector<int>{2, 0, 1, 1}, out);
  CHECK(out[0] == 3);
  CHECK(std::isnan(out[1]));
}

TEST_CASE("criteria with equal needs share sums") {
  for (const PresetId preset : {PresetId::paper, PresetId::recommended}) {
    LayerScores::Request request{preset, {}, {}};
    CHECK(LayerScores::distinct_needs(request).empty());
    request.criteria = {&find_criterion("weight")};
    CHECK(LayerScores::distinct_needs(request).empty());
    request.criteria = {&find_criterion("gradient"), &find_criterion("weight-x-gradient")};
    CHECK(LayerScores::distinct_needs(request).size() == 1);
    request.criteria.push_back(&find_criterion("gradcam++"));
    CHECK(LayerScores::distinct_needs(request).size() == 2);
  }
}

}  // namespace safer
