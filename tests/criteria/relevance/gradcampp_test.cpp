#include "criteria/relevance/gradcampp.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "criteria/rank_layers.h"
#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

/// What one sample with this gradient makes of a weight.
double phi(PresetId preset, float w, float g) {
  double sum = 0, value = 0;
  gradcampp_criterion.needs(preset).fold(&sum, &w, &g, 1);
  gradcampp_criterion.finish(preset, {&value, 1}, {&sum, 1}, {&w, 1}, 1);
  return value;
}

}  // namespace

TEST_CASE("GradCam++ in closed form") {
  CHECK(phi(PresetId::paper, 1, 0.5F) == doctest::Approx(0.4).epsilon(1e-15));
  CHECK(phi(PresetId::paper, -0.25F, -2) == doctest::Approx(0.4).epsilon(1e-15));
  CHECK(phi(PresetId::recommended, -0.25F, -2) == doctest::Approx(0.8).epsilon(1e-15));
  for (const float g : {0.3F, -1.5F, 1e-3F, -7.0F})
    for (const float w : {0.9F, -0.1F, 4.0F}) {
      const double squares = double{g} * g, formula = squares / (2 * squares + w * squares * g);
      CHECK(phi(PresetId::paper, w, g) == doctest::Approx(formula).epsilon(1e-12));
    }
  CHECK(phi(PresetId::paper, 1, 1e-30F) == doctest::Approx(0.5).epsilon(1e-15));  // g^3 would have underflown
}

TEST_CASE("GradCam++ falls with w g between the pole and infinity") {
  double before = std::numeric_limits<double>::infinity();
  for (float product = -1.999F; product < 50; product += 0.01F) {
    const double value = phi(PresetId::paper, product, 1);
    CHECK(value < before);
    before = value;
  }
}

TEST_CASE("GradCam++ is guarded where it has no value") {
  for (const PresetId preset : {PresetId::paper, PresetId::recommended}) {
    CHECK(phi(preset, 3, 0) == 0);
    CHECK(phi(preset, 3, std::numeric_limits<float>::denorm_min()) == 0);
    CHECK(phi(preset, -2, 1) == 1e6);
    CHECK(phi(preset, -2 * (1 + 1e-7F), 1) == -1e6);
    CHECK(phi(preset, -2 * (1 - 1e-7F), 1) == 1e6);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      CHECK(std::isnan(phi(preset, 1, bad)));
      CHECK(std::isnan(phi(preset, bad, bad)));
    }
  }
}

TEST_CASE("GradCam++ is the mean over each sample's own gradient, by textbook backpropagation") {
  const Network network = test::mlp({3, 9, 6, 4}, true, 3);
  const test::PlainMlp plain(network);
  const std::int64_t n = 23;
  const Tensor inputs = test::random_tensor({n, 3}, 4);
  for (const bool recommended : {false, true}) {
    const RankResult result = rank_layers(network, inputs,
                                          {.preset = recommended ? "recommended" : "paper",
                                           .criteria = {"gradcam++"},
                                           .target = "pseudo-ce",
                                           .keep_relevance = true});
    for (std::size_t layer = 0; layer < plain.layers(); ++layer) {
      const std::span<const float> values = result.relevance[layer].values.values<float>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        double expected = 0;
        for (std::int64_t s = 0; s < n; ++s) {
          const double g = plain.gradients(inputs.values<float>().subspan(static_cast<std::size_t>(3 * s), 3), true)[layer][i];
          if (g != 0) expected += (recommended ? std::abs(g) : 1) / (2 + plain.weight(layer)[i] * g) / static_cast<double>(n);
        }
        CHECK(values[i] == doctest::Approx(expected).epsilon(1e-4));
      }
    }
  }
}

}  // namespace safer
