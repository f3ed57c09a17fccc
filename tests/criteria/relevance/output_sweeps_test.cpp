// weight-x-jacobian, fisher and weight-x-fisher against textbook loops in double.
#include <doctest/doctest.h>

#include <cmath>

#include "criteria/relevance/output_seeds.h"
#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/relevance/relevance_of.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::mlp;
using test::random_tensor;

std::vector<double> softmax(const std::vector<double>& z) {
  std::vector<double> p;
  double sum = 0;
  for (const double value : z) sum += p.emplace_back(std::exp(value));
  for (double& value : p) value /= sum;
  return p;
}

/// By layer and weight, the mean over samples of sum_y (dp_y / dw)^2, or of sum_y p_y (d log p_y / dw)^2.
std::vector<std::vector<double>> mean_squares(const Network& network, const Tensor& inputs, bool likelihood) {
  const test::PlainMlp plain(network);
  std::vector<std::vector<double>> sums(plain.layers());
  for (std::size_t l = 0; l < plain.layers(); ++l) sums[l].resize(plain.weight(l).size());
  const auto n = static_cast<std::size_t>(inputs.shape()[0]), width = static_cast<std::size_t>(inputs.shape()[1]);
  for (std::size_t s = 0; s < n; ++s) {
    const std::span<const float> sample = inputs.values<float>().subspan(s * width, width);
    const std::vector<double> p = softmax(plain.logits(sample));
    for (std::size_t y = 0; y < p.size(); ++y) {
      std::vector<double> by_logits;  // of log p_y
      for (std::size_t k = 0; k < p.size(); ++k) by_logits.push_back((k == y) - p[k]);
      const std::vector<std::vector<double>> of_log = plain.gradients(sample, by_logits);
      for (std::size_t l = 0; l < of_log.size(); ++l)
        for (std::size_t i = 0; i < of_log[l].size(); ++i)
          sums[l][i] += of_log[l][i] * of_log[l][i] * (likelihood ? p[y] : p[y] * p[y]) / static_cast<double>(n);
    }
  }
  return sums;
}

}  // namespace

TEST_CASE("sweeps of outputs give sums of squares over all outputs") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const Tensor inputs = random_tensor({30, 3}, 4);
  const auto jacobian = mean_squares(network, inputs, false), fisher = mean_squares(network, inputs, true);
  const test::PlainMlp plain(network);
  for (const char* preset : {"paper", "recommended"}) {
    const auto phi = [&](const char* criterion) {
      return test::relevance_of(network, inputs, {.preset = preset, .criteria = {criterion}});
    };
    const auto by_jacobian = phi("weight-x-jacobian"), by_fisher = phi("fisher"), weighted = phi("weight-x-fisher");
    for (std::size_t l = 0; l < plain.layers(); ++l) {
      std::vector<double> expected_jacobian, expected_weighted;
      for (std::size_t i = 0; i < plain.weight(l).size(); ++i) {
        const double w = plain.weight(l)[i];
        expected_jacobian.push_back(std::abs(w) * std::sqrt(jacobian[l][i]));
        expected_weighted.push_back(w * w * fisher[l][i]);
      }
      CHECK(test::difference(by_jacobian[l], expected_jacobian) < 1e-5);
      CHECK(test::difference(by_fisher[l], fisher[l]) < 1e-5);
      CHECK(test::difference(weighted[l], expected_weighted) < 1e-5);
    }
  }
}

TEST_CASE("one logit stands for two classes") {
  // The same network with two logits, of which the first one is 0.
  const Network one = mlp({3, 5, 1}, true, 3);
  Network two = mlp({3, 5, 2}, true, 3);
  for (int id = 0; id < 2; ++id) two.parameters.set(id, one.parameters[id]);
  for (int id = 2; id < 4; ++id) {
    const std::span<float> values = two.parameters.mutable_values<float>(id);
    std::ranges::fill(values, 0.0f);
    std::ranges::copy(one.parameters[id].values<float>(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2));
  }
  const Tensor inputs = random_tensor({30, 3}, 4);
  for (const char* criterion : {"weight-x-jacobian", "fisher"}) {
    const auto a = test::relevance_of(one, inputs, {.criteria = {criterion}}),
               b = test::relevance_of(two, inputs, {.criteria = {criterion}});
    CHECK(test::difference(a[0], b[0]) < 1e-5);
  }
}

TEST_CASE("many outputs: random signs have the sum of squares as their mean, whatever the batches") {
  const Network network = mlp({3, 8, 40}, true, 5);
  const Tensor inputs = random_tensor({200, 3}, 6);
  CHECK(output_sweeps(40) == most_output_sweeps);
  const auto exact = mean_squares(network, inputs, true);
  const auto estimated = test::relevance_of(network, inputs, {.criteria = {"fisher"}});
  const auto in_parts = test::relevance_of(network, inputs, {.criteria = {"fisher"}, .batch = 7});
  for (std::size_t l = 0; l < 2; ++l) {
    // A sum of squares over signs has a relative deviation of at most sqrt(2 / (16 x 200)) = 2.5 %.
    CHECK(test::total(estimated[l]) == doctest::Approx(test::total(exact[l])).epsilon(0.075));
    CHECK(test::difference(estimated[l], in_parts[l]) < 1e-5);
  }
}

}  // namespace safer
