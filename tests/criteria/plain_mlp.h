#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "models/network.h"

namespace safer::test {

/// The networks of mlp() as textbook loops in double: an independent judge of phi.
class PlainMlp {
 public:
  explicit PlainMlp(const Network& network) {
    for (int l = 0; network.parameters.table()->find("layers." + std::to_string(l) + ".weight") >= 0; ++l) {
      const Tensor& weight = network.parameters["layers." + std::to_string(l) + ".weight"];
      const int bias = network.parameters.table()->find("layers." + std::to_string(l) + ".bias");
      Layer layer{static_cast<std::size_t>(weight.shape()[0]), static_cast<std::size_t>(weight.shape()[1]), {}, {}};
      layer.weight.assign(weight.values<float>().begin(), weight.values<float>().end());
      layer.bias.resize(layer.out);
      if (bias >= 0) std::ranges::copy(network.parameters[bias].values<float>(), layer.bias.begin());
      layers_.push_back(layer);
    }
  }

  std::size_t layers() const { return layers_.size(); }
  const std::vector<double>& weight(std::size_t layer) const { return layers_[layer].weight; }

  std::vector<double> logits(std::span<const float> sample) const { return activations(sample).back(); }

  /// The gradient by each layer's weight of the largest logit, or of the cross-entropy against its class.
  std::vector<std::vector<double>> gradients(std::span<const float> sample, bool cross_entropy) const {
    const std::vector<std::vector<double>> a = activations(sample);
    const std::vector<double>& z = a.back();
    const auto top = static_cast<std::size_t>(std::ranges::max_element(z) - z.begin());
    std::vector<double> d(z.size());
    double total = 0;
    for (const double value : z) total += std::exp(value - z[top]);
    for (std::size_t k = 0; k < z.size(); ++k) d[k] = cross_entropy ? std::exp(z[k] - z[top]) / total - (k == top) : k == top;

    return gradients_of(a, d);
  }

  /// The gradient by each layer's weight of what has these derivatives by the logits.
  std::vector<std::vector<double>> gradients(std::span<const float> sample, const std::vector<double>& by_logits) const {
    return gradients_of(activations(sample), by_logits);
  }

 private:
  struct Layer {
    std::size_t out, in;
    std::vector<double> weight, bias;
  };

  /// The sample, and each layer's output before its ReLU.
  std::vector<std::vector<double>> activations(std::span<const float> sample) const {
    std::vector<std::vector<double>> a{{sample.begin(), sample.end()}};
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      std::vector<double> y = layers_[l].bias;
      for (std::size_t o = 0; o < layers_[l].out; ++o)
        for (std::size_t i = 0; i < layers_[l].in; ++i)
          y[o] += layers_[l].weight[o * layers_[l].in + i] * (l == 0 ? a[0][i] : std::max(a[l][i], 0.0));
      a.push_back(y);
    }
    return a;
  }

  std::vector<std::vector<double>> gradients_of(const std::vector<std::vector<double>>& a, std::vector<double> d) const {
    std::vector<std::vector<double>> gradients(layers_.size());
    for (std::size_t l = layers_.size(); l-- > 0;) {
      const Layer& layer = layers_[l];
      std::vector<double> below(layer.in);
      for (std::size_t o = 0; o < layer.out; ++o)
        for (std::size_t i = 0; i < layer.in; ++i) {
          const double x = l == 0 ? a[0][i] : std::max(a[l][i], 0.0);
          gradients[l].push_back(d[o] * x);
          if (l == 0 || a[l][i] > 0) below[i] += d[o] * layer.weight[o * layer.in + i];
        }
      d = below;
    }
    return gradients;
  }

  std::vector<Layer> layers_;
};

}  // namespace safer::test
