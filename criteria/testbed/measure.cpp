#include "criteria/testbed/measure.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "criteria/layer_scores.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "models/evaluation.h"

namespace safer {
namespace {

constexpr std::int64_t usual_points = 32;
constexpr std::size_t moderate_memory = std::size_t{256} << 20;  // of one thread

void check(const Network& network, const Dataset& data, const MeasureOptions& options) {
  check_inputs(network, data.inputs, "measure");
  if (data.size() == 0) throw Error("measure: '{}' has no samples", data.name);
  if (!data.labels.empty()) check_labels(network, data, "measure");
  if (options.sweep.levels.empty()) throw Error("measure: no levels of noise; expected numbers from 0 to 1");
  for (const double level : options.sweep.levels)
    if (!(level >= 0 && level <= 1)) throw Error("measure: level {} of noise; expected 0 to 1", level);
  if (options.first_draws < 2 || options.most_draws < options.first_draws)
    throw Error("measure: {} draws before the first look and at most {}; expected 2 or more, and no fewer at most",
                options.first_draws, options.most_draws);
  if (!(options.confidence > 0 && options.confidence < 1))
    throw Error("measure: confidence {}; expected a number between 0 and 1", options.confidence);
  if (options.points < 0) throw Error("measure: {} points a draw; expected 1 or more, or 0", options.points);
}

std::size_t bytes_of_plan(const Network& network, std::span<const Layer> layers, const NoiseSweep& sweep, std::int64_t points) {
  return NoisyPlan(network, layers, sweep, points).plan->bytes();
}

std::int64_t choose_points(const Network& network, std::span<const Layer> layers, const MeasureOptions& options) {
  if (options.points > 0) return options.points;
  std::int64_t points = usual_points;
  while (points > 1 && bytes_of_plan(network, layers, options.sweep, points) > moderate_memory) points /= 2;
  return points;
}

int count_looks(const MeasureOptions& options) {
  int looks = 1;
  for (std::int64_t draws = options.first_draws; draws < options.most_draws; draws *= 2) ++looks;
  return looks;
}

/// All that is drawn: the damages of each layer by draw and level.
class Drawn {
 public:
  Drawn(std::size_t layers, std::size_t levels) : damages_(layers), means_(layers), levels_(levels) {}

  std::size_t draws(std::size_t layer) const { return damages_[layer].size() / levels_; }
  void grow(std::size_t layer, std::size_t draws) { damages_[layer].resize(draws * levels_); }
  std::span<Damages> at(std::size_t layer, std::size_t draw) { return std::span(damages_[layer]).subspan(draw * levels_, levels_); }
  /// By draw: the mean over the levels.
  const std::vector<double>& means(std::size_t layer, Damage kind) const { return means_[layer][static_cast<std::size_t>(kind)]; }
  void update_means(std::size_t layer) {
    for (int kind = 0; kind < damage_count; ++kind) {
      std::vector<double>& means = means_[layer][static_cast<std::size_t>(kind)];
      for (std::size_t draw = means.size(); draw < draws(layer); ++draw) {
        double sum = 0;
        for (const Damages& damages : at(layer, draw)) sum += of(damages, static_cast<Damage>(kind));
        means.push_back(sum / static_cast<double>(levels_));
      }
    }
  }
  std::vector<double> level(std::size_t layer, std::size_t level, Damage kind) const {
    std::vector<double> values;
    for (std::size_t at = level; at < damages_[layer].size(); at += levels_) values.push_back(of(damages_[layer][at], kind));
    return values;
  }

 private:
  std::vector<std::vector<Damages>> damages_;
  std::vector<std::array<std::vector<double>, damage_count>> means_;
  std::size_t levels_;
};

/// Everything between the options and the report.
class Measurer {
 public:
  Measurer(const Network& network, const Dataset& data, const MeasureOptions& options);
  Measurement run();

 private:
  void draw_until(std::size_t last, std::span<const std::size_t> wanted);
  void draw(std::span<const std::size_t> wanted, std::size_t first, std::size_t last);
  void draw_some(NoisyRuns& runs, std::span<const std::size_t> wanted, std::size_t first, std::size_t last);
  std::vector<std::size_t> unsettled() const;
  PartialOrder order(Damage kind) const;
  LayerDamage describe(std::size_t layer) const;

  const Network& network_;
  const Dataset& data_;
  const MeasureOptions& options_;
  std::vector<Layer> layers_;
  std::vector<double> units_;
  NoisyPlan plan_;
  std::uint64_t seed_;
  std::vector<std::unique_ptr<NoisyRuns>> workers_;
  Drawn drawn_;
  SettlingTest test_;
  std::int64_t done_ = 0;
};

std::uint64_t key_of(const MeasureOptions& options) {
  return mix(mix(options.seed, hash(noise_names[static_cast<std::size_t>(options.sweep.noise)])),
             hash(place_names[static_cast<std::size_t>(options.sweep.place)]));
}

Measurer::Measurer(const Network& network, const Dataset& data, const MeasureOptions& options)
    : network_(network),
      data_(data),
      options_(options),
      layers_(measured_layers(network, options.rank_head)),
      units_(noise_units(network, layers_, data, options.sweep)),
      plan_(network, layers_, options.sweep, choose_points(network, layers_, options)),
      seed_(key_of(options)),
      drawn_(layers_.size(), options.sweep.levels.size()),
      test_(options.confidence, count_looks(options), static_cast<int>(layers_.size() * (layers_.size() - 1) / 2)) {
  // Where a network is large its own loops use the threads: one worker.
  const std::size_t bytes = plan_.plan->bytes() + 2 * sizeof(float) * static_cast<std::size_t>(network.parameters.elements());
  const std::size_t fit = std::max<std::size_t>(1, moderate_memory / std::max<std::size_t>(1, bytes));
  const std::size_t workers = std::min(static_cast<std::size_t>(available_threads()), fit);
  for (std::size_t i = 0; i < workers; ++i)
    workers_.push_back(std::make_unique<NoisyRuns>(network_, layers_, options_.sweep, units_, data_, plan_));
}

void Measurer::draw_some(NoisyRuns& runs, std::span<const std::size_t> wanted, std::size_t first, std::size_t last) {
  std::vector<std::span<Damages>> out(wanted.size());
  for (std::size_t draw = first; draw < last; ++draw) {
    for (std::size_t i = 0; i < wanted.size(); ++i) out[i] = drawn_.at(wanted[i], draw);
    runs.draw(seed_, draw, wanted, out);
  }
}

void Measurer::draw_until(std::size_t last, std::span<const std::size_t> wanted) {
  // Layers that were settled before, and no longer are, have draws to catch up with.
  std::map<std::size_t, std::vector<std::size_t>> by_draws;
  for (const std::size_t layer : wanted) by_draws[drawn_.draws(layer)].push_back(layer);
  for (const auto& [first, layers] : by_draws) {
    for (const std::size_t layer : layers) drawn_.grow(layer, last);
    draw(layers, first, last);
    for (const std::size_t layer : layers) drawn_.update_means(layer);
  }
}

void Measurer::draw(std::span<const std::size_t> wanted, std::size_t first, std::size_t last) {
  const std::size_t workers = workers_.size(), block = 4 * workers;  // between two reports of progress
  for (std::size_t begin = first; begin < last; begin += block) {
    const std::size_t count = std::min(block, last - begin);
    const auto share = [&](std::int64_t i) {
      const auto worker = static_cast<std::size_t>(i);
      draw_some(*workers_[worker], wanted, begin + count * worker / workers, begin + count * (worker + 1) / workers);
    };
    constexpr std::int64_t worth_threads = std::int64_t{1} << 40;
    parallel_for(static_cast<std::int64_t>(workers), worth_threads, share);
    done_ += static_cast<std::int64_t>(count * wanted.size());
    if (options_.progress) options_.progress(done_, static_cast<std::int64_t>(layers_.size()) * options_.most_draws);
  }
}

/// The layers that are not settled with both of their neighbours, in the order as it looks now.
std::vector<std::size_t> Measurer::unsettled() const {
  std::vector<double> means;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer)
    means.push_back(estimate(drawn_.means(layer, options_.ranked_by)).mean);
  std::vector<std::size_t> by_damage;
  for (std::size_t layer = 0; layer < layers_.size(); ++layer)
    if (std::isfinite(means[layer])) by_damage.push_back(layer);  // more draws would not mend a NaN
  std::ranges::stable_sort(by_damage, [&](std::size_t a, std::size_t b) { return means[a] > means[b]; });
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i + 1 < by_damage.size(); ++i)
    if (test_.sign(drawn_.means(by_damage[i], options_.ranked_by), drawn_.means(by_damage[i + 1], options_.ranked_by)) <= 0)
      open.insert(open.end(), {by_damage[i], by_damage[i + 1]});
  std::ranges::sort(open);
  open.erase(std::unique(open.begin(), open.end()), open.end());
  return open;
}

PartialOrder Measurer::order(Damage kind) const {
  PartialOrder order{.items = layers_.size()};
  for (std::size_t a = 0; a < layers_.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      const int sign = test_.sign(drawn_.means(a, kind), drawn_.means(b, kind));
      // Means over all draws say the order; where those over the common draws contradict them, nothing is settled.
      const double difference = estimate(drawn_.means(a, kind)).mean - estimate(drawn_.means(b, kind)).mean;
      if (sign > 0 && difference > 0) order.pairs.emplace_back(a, b);
      if (sign < 0 && difference < 0) order.pairs.emplace_back(b, a);
    }
  return order;
}

LayerDamage Measurer::describe(std::size_t layer) const {
  const Layer& of = layers_[layer];
  LayerDamage damage{.name = of.name,
                     .op = std::string(network_.tape.node(of.uses.front()).op->name()),
                     .shape = layer_shape(of, network_.parameters.spec(of.parameter).shape),
                     .unit = units_[layer],
                     .draws = static_cast<int>(drawn_.draws(layer))};
  damage.by_level.resize(options_.sweep.levels.size());
  for (std::size_t kind = 0; kind < damage_count; ++kind) {
    damage.mean[kind] = estimate(drawn_.means(layer, static_cast<Damage>(kind)));
    for (std::size_t level = 0; level < damage.by_level.size(); ++level)
      damage.by_level[level][kind] = estimate(drawn_.level(layer, level, static_cast<Damage>(kind)));
  }
  return damage;
}

Measurement Measurer::run() {
  Measurement result{.points = plan_.plan->options().batch, .labelled = !data_.labels.empty()};
  std::vector<std::size_t> wanted(layers_.size());
  std::iota(wanted.begin(), wanted.end(), std::size_t{0});
  const auto most = static_cast<std::size_t>(options_.most_draws);
  for (auto draws = static_cast<std::size_t>(options_.first_draws);; draws = std::min(2 * draws, most)) {
    draw_until(draws, wanted);
    ++result.looks;
    wanted = unsettled();
    if (wanted.empty() || draws == most) break;
  }
  for (std::size_t layer = 0; layer < layers_.size(); ++layer) result.layers.push_back(describe(layer));
  for (std::size_t kind = 0; kind < damage_count; ++kind) result.order[kind] = order(static_cast<Damage>(kind));
  if (options_.progress) options_.progress(1, 1);
  return result;
}

}  // namespace

std::vector<double> Measurement::scores(Damage kind) const {
  std::vector<double> scores;
  for (const LayerDamage& layer : layers) scores.push_back(layer.mean[static_cast<std::size_t>(kind)].mean);
  return scores;
}

std::vector<double> Measurement::scores(Damage kind, std::size_t level) const {
  std::vector<double> scores;
  for (const LayerDamage& layer : layers) scores.push_back(layer.by_level[level][static_cast<std::size_t>(kind)].mean);
  return scores;
}

std::vector<Layer> measured_layers(const Network& network, bool rank_head) {
  std::vector<Layer> layers = network.tape.layers();
  if (!rank_head && !layers.empty()) layers.pop_back();
  if (layers.empty()) throw Error("{}: no layers to measure; a layer is a weight that the network reads", network.name);
  return layers;
}

Measurement measure(const Network& network, const Dataset& data, const MeasureOptions& options) {
  check(network, data, options);
  return Measurer(network, data, options).run();
}

}  // namespace safer
