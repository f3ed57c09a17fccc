#include "criteria/testbed/reparametrised.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/error.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"
#include "models/evaluation.h"

namespace safer {
namespace {

constexpr std::size_t most_places = 8;

/// A layer, what it reads and gives.
struct Site {
  const Layer* layer;
  ValueId read, given;
  NeuronView view;     // of its weight tensor
  std::size_t places;  // of a sample at which the weight is applied
};

Site site(const Network& network, const Layer& layer) {
  const ValueId use = layer.uses.front();
  const Node& node = network.tape.node(use);
  if (layer.uses.size() != 1 || node.op->name() != "linear" || !node.type.batched() || node.type.batch_axis != 0)
    throw Error("{}: layer '{}' is not read by one linear op alone, so that noise on it cannot be reparametrised", network.name,
                layer.name);
  const Shape& weight = network.parameters.spec(layer.parameter).shape;
  const std::int64_t places = node.type.shape.size() / weight[layer.output_axis];
  if (places > static_cast<std::int64_t>(most_places))
    throw Error("{}: layer '{}' is applied at {} places of a sample; noise can be reparametrised for up to {}", network.name,
                layer.name, places, most_places);
  return {&layer, node.inputs.front(), use, weight_view(weight, layer), static_cast<std::size_t>(places)};
}

/// The lower triangle L of L L^T = C, in place, for C [n, n] without negative eigenvalues.
void factorise(std::span<double> c, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t row = k; row < n; ++row)
      for (std::size_t j = 0; j < k; ++j) c[row * n + k] -= c[row * n + j] * c[k * n + j];
    const double pivot = std::sqrt(std::max(0.0, c[k * n + k]));
    for (std::size_t row = k; row < n; ++row) c[row * n + k] = pivot > 0 ? c[row * n + k] / pivot : 0;
  }
}

/// How noise of level 1 moves z: by its mean, and by factor times independent normal numbers; see reparametrised.h for what levels
/// make of it. One of each for every neuron, or one for all of them.
class Motion {
 public:
  Motion(const Site& site, std::span<const float> weight, std::span<const float> h, std::size_t samples, Noise noise)
      : places_(site.places),
        neurons_(static_cast<std::size_t>(site.view.range.size())),
        own_(noise == Noise::zero),
        mean_(samples * places_ * kinds()),
        factor_(samples * kinds() * places_ * places_) {
    const std::size_t in = h.size() / (samples * places_);
    std::vector<double> w(in, 1.0);
    for (std::size_t kind = 0; kind < kinds(); ++kind) {
      if (own_)
        for (std::size_t i = 0; i < in; ++i) w[i] = double{weight[element(site, kind, i, in)]};
      for (std::size_t s = 0; s < samples; ++s) {
        const std::span<const float> rows = h.subspan(s * places_ * in, places_ * in);
        const std::span<double> c = factor(s, kind);
        for (std::size_t a = 0; a < places_; ++a) {
          for (std::size_t i = 0; i < in; ++i) mean(s, a, kind) += w[i] * double{rows[a * in + i]};
          for (std::size_t b = 0; b <= a; ++b)
            for (std::size_t i = 0; i < in; ++i)
              c[a * places_ + b] += w[i] * w[i] * double{rows[a * in + i]} * double{rows[b * in + i]};
        }
        factorise(c, places_);
      }
    }
  }

  double& mean(std::size_t sample, std::size_t place, std::size_t neuron) {
    return mean_[(sample * places_ + place) * kinds() + kind(neuron)];
  }
  /// [places, places], of which the lower triangle counts.
  std::span<double> factor(std::size_t sample, std::size_t neuron) {
    return std::span(factor_).subspan((sample * kinds() + kind(neuron)) * places_ * places_, places_ * places_);
  }

 private:
  std::size_t kinds() const { return own_ ? neurons_ : 1; }
  std::size_t kind(std::size_t neuron) const { return own_ ? neuron : 0; }
  static std::size_t element(const Site& site, std::size_t neuron, std::size_t input, std::size_t in) {
    const std::size_t row = static_cast<std::size_t>(site.view.range.begin) + neuron;
    return site.view.outer == 1 ? row * in + input : input * static_cast<std::size_t>(site.view.neurons) + row;
  }

  std::size_t places_, neurons_;
  bool own_;
  std::vector<double> mean_, factor_;
};

/// Runs the network with noise on what one layer gives.
class NoisyLayer {
 public:
  NoisyLayer(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise)
      : samples_(static_cast<std::size_t>(inputs.shape()[0])), noise_(noise), meter_(inputs.shape()[0], network.classes()) {
    PlanOptions options{.batch = inputs.shape()[0], .outputs = {network.logits}};
    for (const Layer& layer : layers) {
      sites_.push_back(site(network, layer));
      options.resume.push_back(sites_.back().given);
      for (const ValueId value : {sites_.back().read, sites_.back().given})
        if (network.tape.node(value).kind == Node::Kind::op && std::ranges::find(options.taps, value) == options.taps.end())
          options.taps.push_back(value);
    }
    workspace_.emplace(Plan(network.tape, options));
    workspace_->bind(network.input, inputs.values<float>());
    listen(network, inputs);
    workspace_->replay(network.parameters);
    meter_.set_clean(workspace_->value(network.logits), {});
    for (const ValueId tapped : workspace_->plan().options().taps) workspace_->tap(tapped, {});
    for (const Site& site : sites_) largest_.push_back(largest_weight(network.parameters, *site.layer));
  }

  Damages run(const Network& network, std::size_t layer, double level, std::uint64_t key) {
    const Site& site = sites_[layer];
    workspace_->tap(site.given, [&](std::span<float> z) { move(layer, level, key, z); });
    workspace_->resume(layer, network.parameters);
    workspace_->tap(site.given, {});
    return meter_.compare(workspace_->value(network.logits));
  }

 private:
  /// Makes the motions of all layers in the run that follows. Only there: later ones disturb what layers read.
  void listen(const Network& network, const Tensor& inputs) {
    reads_.resize(sites_.size());
    for (const Site& site : sites_) {
      const auto keep = [this, &network, value = site.read](std::span<const float> h) {
        for (std::size_t i = 0; i < sites_.size(); ++i)
          if (sites_[i].read == value)
            reads_[i].emplace(sites_[i], network.parameters[sites_[i].layer->parameter].values<float>(), h, samples_, noise_);
      };
      if (network.tape.node(site.read).kind == Node::Kind::op)
        workspace_->tap(site.read, [keep](std::span<float> h) { keep(h); });
      else
        keep(inputs.values<float>());
    }
  }

  void move(std::size_t layer, double p, std::uint64_t key, std::span<float> z) {
    const Site& site = sites_[layer];
    Motion& motion = *reads_[layer];
    const auto width = static_cast<std::size_t>(site.view.neurons), first = static_cast<std::size_t>(site.view.range.begin);
    const RandomField field(key);
    normal_.resize(z.size());
    field.normal(0, 0, normal_);
    const double spread = std::sqrt(p * (1 - p)), M = largest_[layer];
    for (std::size_t s = 0; s < samples_; ++s) {
      const double height = M * (1 - double{field.uniform(1, s)});
      const double mean = noise_ == Noise::zero ? -p : noise_ == Noise::impulse ? p * height : 0;
      const double scale = noise_ == Noise::zero ? spread : noise_ == Noise::impulse ? spread * height : p * M;
      for (std::size_t neuron = 0; neuron < static_cast<std::size_t>(site.view.range.size()); ++neuron) {
        const std::span<const double> factor = motion.factor(s, neuron);
        for (std::size_t a = 0; a < site.places; ++a) {
          double moved = 0;
          for (std::size_t b = 0; b <= a; ++b)
            moved += factor[a * site.places + b] * double{normal_[(s * site.places + b) * width + first + neuron]};
          z[(s * site.places + a) * width + first + neuron] += static_cast<float>(mean * motion.mean(s, a, neuron) + scale * moved);
        }
      }
    }
  }

  std::size_t samples_;
  Noise noise_;
  DamageMeter meter_;
  std::vector<Site> sites_;
  std::vector<double> largest_;
  std::vector<std::optional<Motion>> reads_;  // by layer
  std::optional<Workspace<float>> workspace_;
  std::vector<float> normal_;
};

}  // namespace

std::vector<Damages> reparametrised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs, Noise noise,
                                           std::span<const double> levels, int draws, std::uint64_t seed) {
  check_inputs(network, inputs, "reparametrised damage");
  if (inputs.shape()[0] == 0) throw Error("reparametrised damage: no samples");
  if (noise == Noise::rounding) throw Error("reparametrised damage: rounding is not random; choose one of zero, gaussian, impulse");
  NoisyLayer noisy(network, layers, inputs, noise);
  std::vector<Damages> all(layers.size());
  const double share = 1 / static_cast<double>(levels.size() * static_cast<std::size_t>(draws));
  for (std::size_t layer = 0; layer < layers.size(); ++layer)
    for (std::size_t level = 0; level < levels.size(); ++level)
      for (int draw = 0; draw < draws; ++draw) {
        const std::uint64_t key = mix(mix(mix(seed, layer), level), static_cast<std::uint64_t>(draw));
        const Damages damages = noisy.run(network, layer, levels[level], key);
        for (std::size_t kind = 0; kind < all[layer].size(); ++kind) all[layer][kind] += share * damages[kind];
      }
  return all;
}

}  // namespace safer
