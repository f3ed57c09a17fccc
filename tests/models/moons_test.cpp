#include "models/moons.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/random.h"
#include "models/evaluation.h"
#include "tests/models/plain_moons.h"

using namespace safer;

namespace {

std::vector<std::string> parameter_names(const Network& network) {
  std::vector<std::string> names;
  for (int id = 0; id < network.parameters.size(); ++id) names.push_back(network.parameters.spec(id).name);
  return names;
}

std::vector<std::string> layer_names(const Network& network) {
  std::vector<std::string> names;
  for (const Layer& layer : network.tape.layers()) names.push_back(layer.name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("moons: the families have the layers that their names promise") {
  const Network vanilla = make_moons_network({.depth = 2, .widths = {5, 3}});
  CHECK(vanilla.name == "moons-vanilla");
  CHECK(vanilla.classes() == 2);
  CHECK(vanilla.sample_shape() == Shape{1, 2});
  CHECK(parameter_names(vanilla) ==
        Names{"layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "head.weight", "head.bias"});
  CHECK(vanilla.parameters["layers.1.weight"].shape() == Shape{3, 5});
  CHECK(vanilla.parameters.spec(vanilla.parameters.id("head.bias")).role == Role::bias);

  CHECK(layer_names(make_moons_network({.family = MoonsFamily::skip, .depth = 1, .widths = {4}})) ==
        Names{"stem.weight", "blocks.0.dense1.weight", "head.weight"});
  CHECK(layer_names(make_moons_network({.family = MoonsFamily::skip_sd, .depth = 1, .widths = {4}, .block_layers = 2})) ==
        Names{"stem.weight", "blocks.0.dense1.weight", "blocks.0.dense2.weight", "head.weight"});

  const Network transformer = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}});
  CHECK(layer_names(transformer) == Names{"embed.weight", "blocks.0.attention.q.weight", "blocks.0.attention.k.weight",
                                          "blocks.0.attention.v.weight", "blocks.0.attention.out.weight", "blocks.0.mlp.fc1.weight",
                                          "blocks.0.mlp.fc2.weight", "head.weight"});
  CHECK(transformer.parameters["blocks.0.mlp.fc1.weight"].shape() == Shape{16, 8});
  CHECK(transformer.parameters["positions"].shape() == Shape{2, 8});
}

TEST_CASE("moons: every family computes what plain loops compute") {
  const std::vector<MoonsOptions> cases = {{.depth = 3, .widths = {7, 1, 9}},
                                           {.family = MoonsFamily::skip, .depth = 3, .widths = {5}},
                                           {.family = MoonsFamily::skip, .depth = 2, .widths = {6}, .block_layers = 2},
                                           {.family = MoonsFamily::skip_sd, .depth = 4, .widths = {5}},
                                           {.family = MoonsFamily::transformer, .depth = 2, .widths = {12}}};
  for (const MoonsOptions& options : cases) {
    Network network = make_moons_network(options);
    // Biases, gains and positions away from their initial values, so that each is seen to be used.
    Random random(5);
    for (int id = 0; id < network.parameters.size(); ++id)
      for (float& value : network.parameters.mutable_values<float>(id)) value += static_cast<float>(0.2 * random.normal());
    constexpr std::int64_t points = 5;
    Tensor x(DType::f32, {points, 2});
    for (float& value : x.mutable_values<float>()) value = static_cast<float>(random.normal());
    const Tensor logits = predict(network, x);
    for (std::size_t n = 0; n < points; ++n) {
      const auto in = x.values<float>().subspan(2 * n, 2);
      const std::vector<double> expected = test::plain_logits(network, options, double{in[0]}, double{in[1]});
      for (std::size_t c = 0; c < 2; ++c) {
        INFO(network.name, " sample ", n);
        CHECK(logits.values<float>()[2 * n + c] == doctest::Approx(expected[c]).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("moons: initial weights have the declared distribution and do not influence each other") {
  const auto weights = [](const MoonsOptions& options, std::string_view name) {
    return make_moons_network(options).parameters[name];
  };
  const Tensor he = weights({.depth = 2, .widths = {100}}, "layers.1.weight");
  double squares = 0;
  for (const float w : he.values<float>()) squares += double{w} * w;
  const double n = static_cast<double>(he.size()), variance = 2.0 / 100;
  CHECK(std::abs(squares / n - variance) < 5 * variance * std::sqrt(2 / n));

  const Tensor glorot =
      weights({.depth = 2, .widths = {100, 50}, .initialization = Initialization::glorot_uniform}, "layers.1.weight");
  const double bound = std::sqrt(6.0 / 150);
  double largest = 0;
  for (const float w : glorot.values<float>()) largest = std::max(largest, std::abs(double{w}));
  CHECK(largest <= bound);
  CHECK(largest > 0.99 * bound);  // 5000 numbers miss the outer percent with probability 1e-22

  const auto same = [](const Tensor& a, const Tensor& b) { return std::ranges::equal(a.values<float>(), b.values<float>()); };
  CHECK(same(weights({.depth = 2}, "layers.1.weight"), weights({.depth = 5}, "layers.1.weight")));
  CHECK_FALSE(same(weights({.depth = 2}, "layers.1.weight"), weights({.depth = 2, .seed = 2}, "layers.1.weight")));
  const Network transformer = make_moons_network({.family = MoonsFamily::transformer, .depth = 1, .widths = {8}});
  for (const float b : transformer.parameters["blocks.0.mlp.fc1.bias"].values<float>()) CHECK(b == 0);
  for (const float g : transformer.parameters["blocks.0.norm1.weight"].values<float>()) CHECK(g == 1);
  for (const float b : transformer.parameters["blocks.0.norm1.bias"].values<float>()) CHECK(b == 0);
  for (const float p : transformer.parameters["positions"].values<float>()) CHECK(p != 0);
}

TEST_CASE("moons: sizes that make no network are refused") {
  const auto refuse = [](const MoonsOptions& options, const char* message) {
    CHECK_THROWS_WITH_AS(make_moons_network(options), message, Error);
  };
  refuse({.depth = 0}, "moons-vanilla: depth 0; expected 1 to 100");
  refuse({.depth = 101}, "moons-vanilla: depth 101; expected 1 to 100");
  refuse({.depth = 3, .widths = {8, 9}}, "moons-vanilla: 2 widths (8, 9) for depth 3; expected one, or one a layer");
  refuse({.family = MoonsFamily::skip, .depth = 2, .widths = {8, 8}},
         "moons-skip: 2 widths (8, 8) for depth 2; expected one, because all blocks share it");
  refuse({.depth = 1, .widths = {0}}, "moons-vanilla: width 0; expected 1 to 1024");
  refuse({.depth = 1, .widths = {1025}}, "moons-vanilla: width 1025; expected 1 to 1024");
  refuse({.family = MoonsFamily::transformer, .widths = {10}}, "moons-transformer: width 10; expected a multiple of its 4 heads");
  refuse({.family = MoonsFamily::skip_sd, .block_layers = 3}, "moons-skip-sd: 3 dense layers a block; expected 1 or 2");
}
