#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "criteria/rank_layers.h"
#include "models/network.h"
#include "tests/criteria/numbers.h"
#include "tests/criteria/plain_mlp.h"

namespace safer::test {

/// phi of one criterion, by layer.
inline std::vector<std::vector<double>> relevance_of(const Network& network, const Tensor& inputs, RankOptions options) {
  options.keep_relevance = true;
  options.resamples = 0;
  std::vector<std::vector<double>> all;
  for (const Relevance& relevance : rank_layers(network, inputs, options).relevance) {
    const std::span<const float> values = relevance.values.values<float>();
    all.emplace_back(values.begin(), values.end());
  }
  return all;
}

/// The largest difference, in units of the largest magnitude of the second.
inline double difference(std::span<const double> a, std::span<const double> b) {
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(b[i]));
  }
  return largest / scale;
}

/// The mean, over samples [n, in], of the logit that is largest in `frozen`, computed by `moved`: in double.
inline double mean_top_logit(const PlainMlp& frozen, const PlainMlp& moved, const Tensor& inputs) {
  const std::int64_t n = inputs.shape()[0], width = inputs.shape()[1];
  double sum = 0;
  for (std::int64_t s = 0; s < n; ++s) {
    const std::span<const float> sample =
        inputs.values<float>().subspan(static_cast<std::size_t>(s * width), static_cast<std::size_t>(width));
    const std::vector<double> z = frozen.logits(sample);
    sum += moved.logits(sample)[static_cast<std::size_t>(std::ranges::max_element(z) - z.begin())];
  }
  return sum / static_cast<double>(n);
}

/// The network with one weight tensor times a factor.
inline Network scaled(Network network, int weight, float factor) {
  for (float& value : network.parameters.mutable_values<float>(weight)) value *= factor;
  return network;
}

}  // namespace safer::test
