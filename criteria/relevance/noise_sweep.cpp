#include "criteria/relevance/noise_sweep.h"

#include <algorithm>

#include "criteria/relevance/fold.h"
#include "criteria/relevance/folding_sink.h"
#include "criteria/relevance/target_runs.h"
#include "engine/random.h"

namespace safer {
namespace {

constexpr Needs of_a_draw[] = {{Probe::noise, false, fold_gradient}};

/// Welford's update of mean and sum of squared deviations by the draw-th value, counted from 1.
void add_to_moments(std::span<double> moments, std::span<const double> value, int draw) {
  const std::span<double> mean = moments.first(value.size()), squares = moments.subspan(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const double deviation = value[i] - mean[i];
    mean[i] += deviation / draw;
    squares[i] += deviation * (value[i] - mean[i]);
  }
}

/// The gradient of the mean target: groups' sums together, over the samples.
void mean_over_samples(std::vector<double>& mean, const Sums& drawn, std::size_t weight, double samples) {
  mean.assign(drawn.of(0, 0, weight).size(), 0);
  for (std::size_t group = 0; group < drawn.groups(); ++group)
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += drawn.of(0, group, weight)[i];
  for (double& value : mean) value /= samples;
}

}  // namespace

void add_noise(std::span<float> out, std::span<const float> weights, double noise, std::string_view name, std::uint64_t seed,
               int draw) {
  const auto [least, most] = std::ranges::minmax(weights);
  const double deviation = noise * (double{most} - double{least});
  RandomField(mix(mix(seed, hash("noise")), hash(name))).normal(static_cast<std::uint64_t>(draw), 0, out);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(double{weights[i]} + deviation * double{out[i]});
}

void sweep_noise(const SweepContext& context) {
  const Parameters& own = context.network.parameters;
  std::vector<std::int64_t> elements;
  for (const int weight : context.weights) elements.push_back(own.spec(weight).shape.size());
  Sums drawn({{elements}}, context.sums.samples());
  FoldingSink sink(drawn, of_a_draw, Probe::noise, context.weights, own, context.runs.group_bounds());

  Parameters moved = own;
  std::vector<double> mean;
  for (int draw = 0; draw < context.options.draws; ++draw) {
    for (std::size_t weight = 0; weight < context.weights.size(); ++weight) {
      const int id = context.weights[weight];
      add_noise(moved.mutable_values<float>(id), own[id].values<float>(), context.options.noise, own.spec(id).name, context.seed,
                draw);
      for (std::size_t group = 0; group < drawn.groups(); ++group) std::ranges::fill(drawn.of(0, group, weight), 0.0);
    }
    context.runs.run(moved, TargetRuns::everything, sink);
    for (std::size_t weight = 0; weight < context.weights.size(); ++weight) {
      mean_over_samples(mean, drawn, weight, static_cast<double>(context.runs.samples()));
      for (std::size_t need = 0; need < context.needs.size(); ++need) {
        if (context.needs[need].probe != Probe::noise) continue;
        if (!context.needs[need].fold) {
          add_to_moments(context.sums.of(need, 0, weight), mean, draw + 1);
          continue;
        }
        for (std::size_t group = 0; group < drawn.groups(); ++group) {
          const std::span<double> sum = context.sums.of(need, group, weight);
          for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += drawn.of(0, group, weight)[i];
        }
      }
    }
  }
}

}  // namespace safer
