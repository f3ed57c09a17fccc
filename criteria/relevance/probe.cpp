#include "criteria/relevance/probe.h"

#include <algorithm>

#include "criteria/layer_scores.h"
#include "criteria/relevance/curvature_sweep.h"
#include "criteria/relevance/folding_sink.h"
#include "criteria/relevance/mask_sweep.h"
#include "criteria/relevance/noise_sweep.h"
#include "criteria/relevance/path_sweeps.h"
#include "criteria/relevance/perturbation_sweep.h"
#include "criteria/relevance/similarity_sweep.h"
#include "criteria/relevance/target_runs.h"

namespace safer {
namespace {

using Weights = std::span<const ParameterSpec* const>;

std::vector<std::int64_t> sizes(Weights weights) {
  std::vector<std::int64_t> all;
  for (const ParameterSpec* weight : weights) all.push_back(weight->shape.size());
  return all;
}

std::vector<std::int64_t> neurons(Weights weights) {
  std::vector<std::int64_t> all;
  for (const ParameterSpec* weight : weights) all.push_back(weight->neurons());
  return all;
}

/// Sums of gradients, or else two moments of their mean over all samples.
Sums::Layout noise_layout(const Needs& needs, const ProbeOptions& options, Weights weights) {
  Sums::Layout layout{sizes(weights), needs.fold != nullptr, options.draws};
  if (!needs.fold)
    for (std::int64_t& count : layout.elements) count *= 2;
  return layout;
}

/// That a weight tensor is: its parts, or itself.
std::int64_t count_layers(const ParameterSpec& weight) { return std::max<std::int64_t>(1, std::ssize(weight.parts)); }

/// All samples once as they are, and at every step of each layer in every way.
std::int64_t perturbation_runs(const ProbeOptions& options, Weights weights) {
  std::int64_t layers = 0;
  for (const ParameterSpec* weight : weights) layers += count_layers(*weight);
  return 1 + change_count * steps_of(Probe::perturbation, options) * layers;
}

/// So many sums for each layer.
std::vector<std::int64_t> times_layers(std::int64_t sums, Weights weights) {
  std::vector<std::int64_t> all;
  for (const ParameterSpec* weight : weights) all.push_back(sums * count_layers(*weight));
  return all;
}

/// How often all samples are run for this many points a weight tensor, or of all together.
std::int64_t times_tensors(int points, const ProbeOptions& options, Weights weights) {
  return std::int64_t{points} * (options.joint ? 1 : std::ssize(weights));
}

template <Probe probe>
void sweep_at_weights(const SweepContext& context) {
  FoldingSink sink(context.sums, context.needs, probe, context.weights, context.network.parameters, context.runs.group_bounds());
  context.runs.run(context.network.parameters, TargetRuns::nothing, sink);
}

template <Probe probe>
constexpr ProbeInfo at_weights(Swept swept) {
  return {.probe = probe,
          .swept = swept,
          .runs = [](const ProbeOptions&, Weights) { return std::int64_t{1}; },
          .layout = [](const Needs&, const ProbeOptions&, Weights weights) { return Sums::Layout{sizes(weights)}; },
          .sweep = sweep_at_weights<probe>};
}

constexpr ProbeInfo all_probes[] = {
    at_weights<Probe::at_weights>(Swept::target),
    at_weights<Probe::probabilities>(Swept::probabilities),
    at_weights<Probe::likelihood>(Swept::likelihood),
    {.probe = Probe::straight_path,
     .reads_path = true,
     .steps = 32,
     .runs = [](const ProbeOptions& options,
                Weights weights) { return times_tensors(steps_of(Probe::straight_path, options), options, weights); },
     .layout =
         [](const Needs&, const ProbeOptions& options, Weights weights) {
           return Sums::Layout{sizes(weights), true, steps_of(Probe::straight_path, options)};
         },
     .sweep = sweep_straight_path},
    {.probe = Probe::path_changes,
     .reads_path = true,
     .steps = 32,
     .runs = [](const ProbeOptions& options,
                Weights weights) { return times_tensors(steps_of(Probe::path_changes, options) + 1, options, weights); },
     .layout =
         [](const Needs&, const ProbeOptions&, Weights weights) {
           return Sums::Layout{sizes(weights), false};
         },
     .sweep = sweep_path_changes},
    {.probe = Probe::guided_path,
     .reads_path = true,
     .steps = 50,
     .runs = [](const ProbeOptions& options,
                Weights weights) { return times_tensors(steps_of(Probe::guided_path, options), options, weights); },
     .layout =
         [](const Needs&, const ProbeOptions&, Weights weights) {
           return Sums::Layout{sizes(weights), false};
         },
     .sweep = sweep_guided_path},
    {.probe = Probe::noise,
     .reads_noise = true,
     .runs = [](const ProbeOptions& options, Weights) { return std::int64_t{options.draws}; },
     .layout = noise_layout,
     .sweep = sweep_noise},
    {.probe = Probe::masks,
     .reads_path = true,
     .reads_masks = true,
     .forward_only = true,
     .grain = Grain::neuron,
     .swept = Swept::nothing,
     .runs = [](const ProbeOptions& options, Weights weights) { return times_tensors(options.masks, options, weights); },
     .layout = [](const Needs&, const ProbeOptions&, Weights weights) { return Sums::Layout{neurons(weights)}; },
     .sweep = sweep_masks},
    {.probe = Probe::perturbation,
     .forward_only = true,
     .grain = Grain::layer,
     .swept = Swept::logits,
     .steps = 4,
     .runs = perturbation_runs,
     .layout =
         [](const Needs&, const ProbeOptions& options, Weights weights) {
           return Sums::Layout{times_layers(std::int64_t{change_count} * steps_of(Probe::perturbation, options), weights)};
         },
     .sweep = sweep_perturbation,
     .chunk = perturbation_chunk},
    {.probe = Probe::curvature,
     .grain = Grain::layer,
     .swept = Swept::nothing,
     .steps = 4,
     .runs = [](const ProbeOptions& options, Weights) { return std::int64_t{2} * steps_of(Probe::curvature, options); },
     .layout =
         [](const Needs&, const ProbeOptions& options, Weights weights) {
           return Sums::Layout{times_layers(1, weights), true, steps_of(Probe::curvature, options)};
         },
     .sweep = sweep_curvature},
    {.probe = Probe::similarity,
     .forward_only = true,
     .grain = Grain::layer,
     .swept = Swept::logits,
     .runs = [](const ProbeOptions&, Weights) { return std::int64_t{1}; },
     .layout =
         [](const Needs&, const ProbeOptions&, Weights weights) {
           return Sums::Layout{times_layers(3, weights), false};
         },
     .sweep = sweep_similarity},
};

}  // namespace

std::span<const ProbeInfo> probes() { return all_probes; }
std::vector<SweptLayer> swept_layers(const SweepContext& context) {
  std::vector<SweptLayer> all;
  for (const Layer& layer : context.network.tape.layers()) {
    const auto found = std::ranges::find(context.weights, layer.parameter);
    if (found == context.weights.end()) continue;
    const ParameterSpec& spec = context.network.parameters.spec(layer.parameter);
    all.push_back({layer, static_cast<std::size_t>(found - context.weights.begin()), part_of(layer, spec),
                   static_cast<std::size_t>(count_layers(spec))});
  }
  return all;
}

std::size_t need_of(const SweepContext& context, Probe probe) {
  return static_cast<std::size_t>(std::ranges::find(context.needs, probe, &Needs::probe) - context.needs.begin());
}

const ProbeInfo& info(Probe probe) { return *std::ranges::find(all_probes, probe, &ProbeInfo::probe); }

}  // namespace safer
