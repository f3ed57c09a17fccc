#include "criteria/testbed/linearised.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"
#include "models/evaluation.h"

namespace safer {
namespace {

constexpr std::int64_t most_samples = 32;  // that run at once
constexpr std::int64_t most_outputs = 16;  // whose derivatives are computed one by one, and the number of random signs otherwise

/// What the noise does to one layer: nu_i is a multiple of scale[i]^2, and mu_i of directions[.][i]. All of them 0 beside the
/// layer.
struct LayerNoise {
  int parameter;
  std::vector<float> scale;
  std::vector<std::vector<float>> directions;  // one for all levels; for rounding one for each
};

/// Q(W) - W
std::vector<float> rounding_error(const Network& network, const Layer& layer, double level) {
  const Parameters rounded = perturbed(network.parameters, layer, Noise::rounding, level, 0);
  const auto q = rounded[layer.parameter].values<float>(), w = network.parameters[layer.parameter].values<float>();
  std::vector<float> error(w.size());
  std::ranges::transform(q, w, error.begin(), std::minus());
  return error;
}

LayerNoise layer_noise(const Network& network, const Layer& layer, Noise noise, std::span<const double> levels) {
  const Tensor& W = network.parameters[layer.parameter];
  const std::span<const float> w = W.values<float>();
  LayerNoise result{layer.parameter, std::vector<float>(w.size()), {}};
  if (noise == Noise::rounding) {
    for (const double level : levels) result.directions.push_back(rounding_error(network, layer, level));
    return result;
  }
  // Noise of level 1 that sets the elements of the layer to 0 marks them.
  std::vector<float> outside(w.size(), 1.0f);
  perturb(outside, weight_view(W.shape(), layer), {.noise = Noise::zero, .level = 1});
  std::vector<float>& direction = result.directions.emplace_back(w.size());
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (outside[i] != 0) continue;
    result.scale[i] = noise == Noise::zero ? w[i] : 1;
    direction[i] = noise == Noise::zero ? w[i] : noise == Noise::impulse ? 1 : 0;
  }
  return result;
}

/// In units of the noise: sum_i nu_i |J_i|^2 by layer and sample, and |J mu|^2 by layer, direction and sample.
struct Moments {
  std::vector<std::vector<double>> spread;
  std::vector<std::vector<std::vector<double>>> mean;
};

/// Adds one row of J, that of all samples of a batch, to their moments.
class MomentSink final : public GradientSink<float> {
 public:
  MomentSink(const std::vector<LayerNoise>& layers, Moments& moments, double share)
      : layers_(layers), moments_(moments), share_(share) {}

  /// The next batch begins with this sample.
  void start(std::size_t first) { first_ = first; }
  bool wants(int parameter) const override {
    return std::ranges::find(layers_, parameter, &LayerNoise::parameter) != layers_.end();
  }
  bool per_sample() const override { return true; }
  void fold(const ParameterGradient<float>& gradient) override {
    row_.resize(static_cast<std::size_t>(gradient.shape().size()));
    for (std::int64_t sample = 0; sample < gradient.samples(); ++sample) {
      gradient.tile({sample, sample + 1}, {0, gradient.rows()}, row_.data());
      for (std::size_t layer = 0; layer < layers_.size(); ++layer)
        if (layers_[layer].parameter == gradient.parameter()) add(layer, first_ + static_cast<std::size_t>(sample));
    }
  }

 private:
  void add(std::size_t layer, std::size_t sample) {
    const LayerNoise& noise = layers_[layer];
    double spread = 0;
    for (std::size_t i = 0; i < row_.size(); ++i) {
      const double scaled = double{noise.scale[i]} * row_[i];
      spread += scaled * scaled;
    }
    moments_.spread[layer][sample] += share_ * spread;
    for (std::size_t direction = 0; direction < noise.directions.size(); ++direction) {
      double along = 0;
      for (std::size_t i = 0; i < row_.size(); ++i) along += double{noise.directions[direction][i]} * row_[i];
      moments_.mean[layer][direction][sample] += share_ * along * along;
    }
  }

  const std::vector<LayerNoise>& layers_;
  Moments& moments_;
  double share_;
  std::size_t first_ = 0;
  std::vector<float> row_;
};

/// The network with the outputs whose damage is meant.
struct Outputs {
  Tape tape;
  ValueId value;
};

Outputs outputs(const Network& network, Damage damage) {
  Outputs result{network.tape, network.logits};
  if (damage == Damage::probabilities) {
    const Var logits = result.tape.var(network.logits);
    result.value = (network.classes() == 1 ? sigmoid(logits) : softmax(logits)).id();
  }
  return result;
}

/// The seeds of the sweeps: one output each, or random signs on all of them; for every sample alike.
std::vector<std::vector<float>> seeds(std::int64_t classes) {
  const auto count = static_cast<std::size_t>(std::min(classes, most_outputs));
  std::vector<std::vector<float>> all(count, std::vector<float>(static_cast<std::size_t>(classes)));
  Random random(hash("signs of outputs"));
  for (std::size_t sweep = 0; sweep < count; ++sweep) {
    if (classes <= most_outputs)
      all[sweep][sweep] = 1;
    else
      for (float& sign : all[sweep]) sign = random.below(2) ? 1.0f : -1.0f;
  }
  return all;
}

Moments moments(const Network& network, const std::vector<LayerNoise>& layers, const Tensor& inputs, Damage damage) {
  const auto samples = static_cast<std::size_t>(inputs.shape()[0]);
  Moments result{std::vector(layers.size(), std::vector<double>(samples)), {}};
  for (const LayerNoise& layer : layers) result.mean.emplace_back(layer.directions.size(), std::vector<double>(samples));
  const auto size = static_cast<std::size_t>(network.sample_shape().size());
  const Outputs target = outputs(network, damage);
  const std::vector<std::vector<float>> sweeps = seeds(network.classes());
  MomentSink sink(layers, result, network.classes() <= most_outputs ? 1 : 1.0 / static_cast<double>(sweeps.size()));
  const auto run = [&](std::size_t first, std::size_t last, std::size_t batch) {
    if (first == last) return;
    PlanOptions options{.batch = static_cast<std::int64_t>(batch), .root = target.value};
    for (const LayerNoise& layer : layers) options.gradients.push_back(target.tape.parameter_value(layer.parameter));
    Workspace<float> workspace(Plan(target.tape, options));
    std::vector<float> seed;
    for (; first < last; first += batch) {
      workspace.bind(network.input, inputs.values<float>().subspan(first * size, batch * size));
      workspace.replay(network.parameters);
      sink.start(first);
      for (const std::vector<float>& row : sweeps) {
        seed.clear();
        for (std::size_t i = 0; i < batch; ++i) seed.insert(seed.end(), row.begin(), row.end());
        workspace.reverse(sink, seed);
      }
    }
  };
  const std::size_t batch = std::min(samples, static_cast<std::size_t>(most_samples)), whole = samples / batch * batch;
  run(0, whole, batch);
  run(whole, samples, samples - whole);
  return result;
}

double mean_square(Noise noise, double p, double M, double spread, double mean) {
  switch (noise) {
    case Noise::zero: return p * (1 - p) * spread + p * p * mean;
    case Noise::gaussian: return p * p * M * M * spread;
    case Noise::rounding: return mean;
    default: return M * M / 3 * (p * (1 - p) * spread + p * p * mean);
  }
}

}  // namespace

std::vector<double> linearised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise,
                                      std::span<const double> levels, Damage damage) {
  check_inputs(network, inputs, "linearised damage");
  if (inputs.shape()[0] == 0) throw Error("linearised damage: no samples");
  if (damage == Damage::accuracy) throw Error("linearised damage: accuracy has no derivative; choose logits or probabilities");
  std::vector<LayerNoise> noises;
  for (const Layer& layer : layers) noises.push_back(layer_noise(network, layer, noise, levels));
  const Moments found = moments(network, noises, inputs, damage);
  std::vector<double> scores;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const double M = largest_weight(network.parameters, layers[layer]);
    double sum = 0;
    for (std::size_t sample = 0; sample < found.spread[layer].size(); ++sample)
      for (std::size_t level = 0; level < levels.size(); ++level) {
        const double mean = found.mean[layer][noise == Noise::rounding ? level : 0][sample];
        sum += std::sqrt(mean_square(noise, levels[level], M, found.spread[layer][sample], mean));
      }
    scores.push_back(sum / static_cast<double>(levels.size() * found.spread[layer].size()));
  }
  return scores;
}

}  // namespace safer
