#include "criteria/relevance/perturbation_sweep.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "criteria/damage.h"
#include "criteria/relevance/target_runs.h"
#include "engine/random.h"
#include "models/perturbation.h"

namespace safer {
namespace {

/// What a batch's probabilities are compared with, by group of samples that it has some of.
class Distances {
 public:
  Distances(Range batch, std::span<const std::int64_t> bounds, std::int64_t classes, std::span<const float> clean) {
    for (std::size_t group = 0; group + 1 < bounds.size(); ++group) {
      const std::int64_t first = std::max(bounds[group], batch.begin), last = std::min(bounds[group + 1], batch.end);
      if (first >= last) continue;
      parts_.push_back({group, static_cast<std::size_t>((first - batch.begin) * classes),
                        static_cast<std::size_t>((last - first) * classes), static_cast<double>(last - first),
                        DamageMeter(last - first, classes)});
      parts_.back().meter.set_clean(clean.subspan(parts_.back().first, parts_.back().count), {});
    }
  }
  /// add(group, sum of the distances of its samples)
  template <class Add>
  void each(std::span<const float> logits, const Add& add) {
    for (Part& part : parts_)
      add(part.group, part.samples * of(part.meter.compare(logits.subspan(part.first, part.count)), Damage::probabilities));
  }

 private:
  struct Part {
    std::size_t group, first, count;
    double samples;
    DamageMeter meter;
  };
  std::vector<Part> parts_;
};

/// A layer, and a copy of the parameters to change it in.
struct Changed {
  SweptLayer swept;
  NeuronView view;
  double largest;
  Parameters parameters;
};

std::vector<Changed> changed_layers(const SweepContext& context) {
  const Parameters& own = context.network.parameters;
  std::vector<Changed> all;
  for (const SweptLayer& swept : swept_layers(context))
    all.push_back({swept, weight_view(own[swept.layer.parameter].shape(), swept.layer), largest_weight(own, swept.layer), own});
  return all;
}

NoiseDraw draw_of(Change way, const Changed& layer, double strength, std::uint64_t key) {
  constexpr std::array<Noise, change_count> noises = {Noise::zero, Noise::gaussian, Noise::impulse};
  return {.noise = noises[static_cast<std::size_t>(way)], .level = strength, .unit = layer.largest, .key = key};
}

}  // namespace

void sweep_perturbation(const SweepContext& context) {
  const Parameters& own = context.network.parameters;
  const int steps = steps_of(Probe::perturbation, context.options);
  const std::size_t need = need_of(context, Probe::perturbation);
  std::vector<Changed> layers = changed_layers(context);
  const auto fresh = [&own](Changed& layer) {
    const std::span<float> values = layer.parameters.mutable_values<float>(layer.swept.layer.parameter);
    std::ranges::copy(own[layer.swept.layer.parameter].values<float>(), values.begin());
    return values;
  };
  for (std::size_t batch = 0; batch < context.runs.batches(); ++batch) {
    const Range samples = context.runs.batch(batch);
    Distances distances(samples, context.runs.group_bounds(), context.network.classes(),
                        context.runs.run_batch(batch, own, TargetRuns::nothing));
    const std::uint64_t chunk = static_cast<std::uint64_t>(samples.begin / perturbation_chunk);
    for (Changed& layer : layers) {
      const auto measure = [&](std::size_t place) {
        distances.each(
            context.runs.run_batch(batch, layer.parameters, static_cast<int>(layer.swept.weight)),
            [&](std::size_t group, double distance) { context.sums.of(need, group, layer.swept.weight)[place] += distance; });
      };
      const std::uint64_t key = mix(mix(mix(context.seed, hash("perturbation")), hash(layer.swept.layer.name)), chunk);
      for (int step = 0; step < steps; ++step)
        for (std::size_t way = 0; way < change_count; ++way) {
          const std::uint64_t own_key = mix(mix(key, static_cast<std::uint64_t>(step)), way);
          perturb(fresh(layer), layer.view, draw_of(static_cast<Change>(way), layer, (step + 0.5) / steps, own_key));
          measure((way * static_cast<std::size_t>(steps) + static_cast<std::size_t>(step)) * layer.swept.parts + layer.swept.part);
        }
    }
  }
}

void mean_distances(Change way, std::span<const double> sum, double samples, std::span<double> phi) {
  const std::size_t layers = phi.size(), steps = sum.size() / (change_count * layers);
  const std::span<const double> own = sum.subspan(static_cast<std::size_t>(way) * steps * layers, steps * layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    double roots = 0;
    for (std::size_t step = 0; step < steps; ++step) roots += std::sqrt(own[step * layers + layer] / samples);
    const double mean = roots / static_cast<double>(steps);
    phi[layer] = mean * mean;
  }
}

}  // namespace safer
