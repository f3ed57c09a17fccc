#include "criteria/testbed/reparametrised.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "criteria/testbed/hit_draw.h"
#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"
#include "models/evaluation.h"

namespace safer {
namespace {

constexpr std::size_t most_places = 8;
constexpr std::size_t neurons_of_a_draw = 4;  // 24 bits say so often whether an input's weight is hit, and leave some

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

/// What a layer reads, and how noise on its weights moves what it gives.
class Motion {
 public:
  /// `noises`: those that will be asked for.
  Motion(const Site& site, std::span<const float> weight, std::span<const float> h, std::size_t samples,
         std::span<const Noise> noises)
      : site_(site),
        weight_(weight),
        samples_(samples),
        in_(h.size() / (samples * site.places)),
        h_(h.begin(), h.end()),
        ones_(in_, 1) {
    if (std::ranges::find(noises, Noise::gaussian) != noises.end()) factorise_inputs();
  }

  /// Moves what the layer gives, z, by a draw of noise for each sample. Returns how likely it is that any is hit: where it is not
  /// there is no damage. Zeros and impulses with one key hit the same weights.
  double move(Noise noise, double p, double largest, std::uint64_t key, std::span<float> z) {
    constexpr double rare = 0.1;
    if (noise == Noise::rounding) return add_rounding(p, largest, z), 1;
    if (noise == Noise::gaussian) return add_normal(p * largest, key, z), 1;
    draw_heights(noise, largest, key);
    if (p < rare) return add_few_hits(noise, p, key, z);
    return add_many_hits(noise, p, key, z), 1;
  }

 private:
  void factorise_inputs() {
    const std::size_t places = site_.places;
    factors_.assign(samples_ * places * places, 0);
    for (std::size_t s = 0; s < samples_; ++s) {
      const std::span<double> factor = std::span(factors_).subspan(s * places * places, places * places);
      for (std::size_t a = 0; a < places; ++a)
        for (std::size_t b = 0; b <= a; ++b)
          for (std::size_t i = 0; i < in_; ++i) factor[a * places + b] += double{read(s, a)[i]} * double{read(s, b)[i]};
      factorise(factor, places);
    }
  }

  double add_few_hits(Noise noise, double p, std::uint64_t key, std::span<float> z) const {
    const HitDraw draw(neurons() * in_, p);
    for (std::size_t s = 0; s < samples_; ++s) {
      draw(mix(key, s), [&](std::size_t hit) {
        const std::size_t neuron = hit / in_, input = hit % in_;
        const float added = heights_[s] * (noise == Noise::zero ? weight(neuron, input) : 1);
        for (std::size_t place = 0; place < site_.places; ++place) z[given(s, place, neuron)] += added * read(s, place)[input];
      });
    }
    return draw.some_hit();
  }

  void add_many_hits(Noise noise, double p, std::uint64_t key, std::span<float> z) {
    if (drawn_ != key) draw_many_hits(p, key);
    drawn_ = key;
    const float* sum = hit_sums_.data() + (noise == Noise::zero ? 1 : 0);
    for (std::size_t s = 0; s < samples_; ++s)
      for (std::size_t place = 0; place < site_.places; ++place)
        for (std::size_t neuron = 0; neuron < neurons(); ++neuron, sum += 2) z[given(s, place, neuron)] += heights_[s] * *sum;
  }

  /// For zeros and impulses: to draw which weights are hit takes longer than to add up what they read.
  void draw_many_hits(double p, std::uint64_t key) {
    const RandomField field(mix(key, hash("hits")));
    const auto& masked_dots = *kernels::table<float>().masked_dots;
    uniform_.resize(in_), hit_.resize(in_), rows_.resize(neurons_of_a_draw * in_);
    hit_sums_.resize(samples_ * site_.places * neurons() * 2);
    for (std::size_t first = 0; first < neurons(); first += neurons_of_a_draw) {
      const std::size_t count = std::min(neurons_of_a_draw, neurons() - first);
      for (std::size_t k = 0; k < count; ++k)
        for (std::size_t i = 0; i < in_; ++i) rows_[k * in_ + i] = weight(first + k, i);
      for (std::size_t s = 0; s < samples_; ++s) {
        field.uniform(s, first * in_, uniform_);
        for (std::size_t k = 0; k < count; ++k) {
          choose(uniform_, static_cast<float>(p), ones_, hit_);
          for (std::size_t place = 0; place < site_.places; ++place)
            masked_dots(hit_sums_.data() + ((s * site_.places + place) * neurons() + first + k) * 2, hit_.data(),
                        rows_.data() + k * in_, read(s, place).data(), static_cast<std::int64_t>(in_));
        }
      }
    }
  }

  /// By how much hits move samples, as multiples of the sums of what was hit: of an impulse in (0, M], of a zero the opposite of
  /// the weight.
  void draw_heights(Noise noise, double largest, std::uint64_t key) {
    heights_.assign(samples_, -1);
    if (noise == Noise::zero) return;
    RandomField(key).uniform(0, 0, heights_);
    for (float& height : heights_) height = static_cast<float>(largest) * (1 - height);
  }

  void add_normal(double sigma, std::uint64_t key, std::span<float> z) {
    normal_.resize(z.size());
    RandomField(key).normal(0, 0, normal_);
    const std::size_t places = site_.places;
    for (std::size_t s = 0; s < samples_; ++s) {
      const std::span<const double> factor = std::span(factors_).subspan(s * places * places, places * places);
      for (std::size_t neuron = 0; neuron < neurons(); ++neuron)
        for (std::size_t a = 0; a < places; ++a) {
          double moved = 0;
          for (std::size_t b = 0; b <= a; ++b) moved += factor[a * places + b] * double{normal_[given(s, b, neuron)]};
          z[given(s, a, neuron)] += static_cast<float>(sigma * moved);
        }
    }
  }

  void add_rounding(double p, double largest, std::span<float> z) const {
    std::vector<float> error(weight_.begin(), weight_.end());
    perturb(error, site_.view, {.noise = Noise::rounding, .level = p, .unit = largest});
    for (std::size_t i = 0; i < error.size(); ++i) error[i] -= weight_[i];
    for (std::size_t neuron = 0; neuron < neurons(); ++neuron)
      for (std::size_t s = 0; s < samples_; ++s)
        for (std::size_t place = 0; place < site_.places; ++place) {
          float& moved = z[given(s, place, neuron)];
          for (std::size_t i = 0; i < in_; ++i) moved += error[index(neuron, i)] * read(s, place)[i];
        }
  }

  std::size_t neurons() const { return static_cast<std::size_t>(site_.view.range.size()); }
  /// What one place reads: [inputs].
  std::span<const float> read(std::size_t sample, std::size_t place) const {
    return std::span(h_).subspan((sample * site_.places + place) * in_, in_);
  }
  std::size_t given(std::size_t sample, std::size_t place, std::size_t neuron) const {
    return (sample * site_.places + place) * static_cast<std::size_t>(site_.view.neurons) + row(neuron);
  }
  std::size_t row(std::size_t neuron) const { return static_cast<std::size_t>(site_.view.range.begin) + neuron; }
  float weight(std::size_t neuron, std::size_t input) const { return weight_[index(neuron, input)]; }
  std::size_t index(std::size_t neuron, std::size_t input) const {
    return site_.view.outer == 1 ? row(neuron) * in_ + input : input * static_cast<std::size_t>(site_.view.neurons) + row(neuron);
  }

  Site site_;
  std::span<const float> weight_;
  std::size_t samples_, in_;
  std::vector<float> h_;         // [samples, places, inputs]
  std::vector<double> factors_;  // [samples, places, places], of which the lower triangle counts
  std::vector<float> heights_;   // [samples]
  std::vector<float> normal_;    // as what the layer gives

  std::optional<std::uint64_t> drawn_;       // the key of the last draw of hits
  std::vector<float> hit_sums_;              // of what it hits: inputs, and inputs times weights; [samples, places, neurons, 2]
  std::vector<float> ones_, uniform_, hit_;  // [inputs]
  std::vector<float> rows_;                  // of the weight, [neurons_of_a_draw, inputs]
};

/// Runs the network with noise on what one layer gives.
class NoisyLayer {
 public:
  NoisyLayer(const Network& network, std::span<const Layer> layers, const Tensor& inputs, std::span<const Noise> noises)
      : samples_(static_cast<std::size_t>(inputs.shape()[0])), meter_(inputs.shape()[0], network.classes()) {
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
    listen(network, inputs, noises);
    workspace_->replay(network.parameters);
    meter_.set_clean(workspace_->value(network.logits), {});
    for (const ValueId tapped : workspace_->plan().options().taps) workspace_->tap(tapped, {});
    for (const Site& site : sites_) largest_.push_back(largest_weight(network.parameters, *site.layer));
  }

  Damages run(const Network& network, std::size_t layer, Noise noise, double level, std::uint64_t key) {
    const Site& site = sites_[layer];
    double some_hit = 1;
    workspace_->tap(site.given,
                    [&](std::span<float> z) { some_hit = motions_[layer]->move(noise, level, largest_[layer], key, z); });
    workspace_->resume(layer, network.parameters);
    workspace_->tap(site.given, {});
    Damages damages = meter_.compare(workspace_->value(network.logits));
    for (double& damage : damages) damage *= some_hit;
    return damages;
  }

 private:
  /// Makes the motions of all layers in the run that follows. Only there: later ones disturb what layers read.
  void listen(const Network& network, const Tensor& inputs, std::span<const Noise> noises) {
    motions_.resize(sites_.size());
    for (const Site& site : sites_) {
      const auto keep = [this, &network, noises, value = site.read](std::span<const float> h) {
        for (std::size_t i = 0; i < sites_.size(); ++i)
          if (sites_[i].read == value)
            motions_[i].emplace(sites_[i], network.parameters[sites_[i].layer->parameter].values<float>(), h, samples_, noises);
      };
      if (network.tape.node(site.read).kind == Node::Kind::op)
        workspace_->tap(site.read, [keep](std::span<float> h) { keep(h); });
      else
        keep(inputs.values<float>());
    }
  }

  std::size_t samples_;
  DamageMeter meter_;
  std::vector<Site> sites_;
  std::vector<double> largest_;
  std::vector<std::optional<Motion>> motions_;  // by layer
  std::optional<Workspace<float>> workspace_;
};

}  // namespace

std::vector<std::vector<Damages>> reparametrised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs,
                                                        std::span<const Noise> noises, std::span<const double> levels, int draws,
                                                        std::uint64_t seed) {
  check_inputs(network, inputs, "reparametrised damage");
  if (inputs.shape()[0] == 0) throw Error("reparametrised damage: no samples");
  NoisyLayer noisy(network, layers, inputs, noises);
  std::vector<std::vector<Damages>> all(noises.size(), std::vector<Damages>(layers.size()));
  for (std::size_t layer = 0; layer < layers.size(); ++layer)
    for (std::size_t level = 0; level < levels.size(); ++level)
      for (int draw = 0; draw < draws; ++draw) {
        const std::uint64_t key = mix(mix(mix(seed, layer), level), static_cast<std::uint64_t>(draw));
        for (std::size_t noise = 0; noise < noises.size(); ++noise) {
          const bool random = noises[noise] != Noise::rounding;
          if (draw > 0 && !random) continue;
          const double share = 1 / static_cast<double>(levels.size() * static_cast<std::size_t>(random ? draws : 1));
          const Damages damages = noisy.run(network, layer, noises[noise], levels[level], key);
          for (std::size_t kind = 0; kind < damages.size(); ++kind) all[noise][layer][kind] += share * damages[kind];
        }
      }
  return all;
}

}  // namespace safer
