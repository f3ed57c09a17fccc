#include "criteria/relevance/probe.h"

#include <algorithm>

#include "criteria/relevance/folding_sink.h"
#include "criteria/relevance/path_sweeps.h"
#include "criteria/relevance/target_runs.h"

namespace safer {
namespace {

using Weights = std::span<const ParameterSpec* const>;

std::vector<std::int64_t> sizes(Weights weights) {
  std::vector<std::int64_t> all;
  for (const ParameterSpec* weight : weights) all.push_back(weight->shape.size());
  return all;
}

/// How often a path with this many points is walked.
std::int64_t along_paths(int points, const ProbeOptions& options, std::size_t weights) {
  return std::int64_t{points} * (options.joint ? 1 : static_cast<std::int64_t>(weights));
}

void sweep_at_weights(const SweepContext& context) {
  FoldingSink sink(context.sums, context.needs, Probe::at_weights, context.weights, context.network.parameters,
                   context.runs.group_bounds());
  context.runs.run(context.network.parameters, TargetRuns::nothing, &sink);
}

constexpr ProbeInfo table[] = {
    {.probe = Probe::at_weights,
     .runs = [](const ProbeOptions&, std::size_t) { return std::int64_t{1}; },
     .layout = [](const Needs&, const ProbeOptions&, Weights weights) { return Sums::Layout{sizes(weights)}; },
     .sweep = sweep_at_weights},
    {.probe = Probe::straight_path,
     .reads_path = true,
     .steps = 32,
     .runs = [](const ProbeOptions& options,
                std::size_t weights) { return along_paths(steps_of(Probe::straight_path, options), options, weights); },
     .layout =
         [](const Needs&, const ProbeOptions& options, Weights weights) {
           return Sums::Layout{sizes(weights), true, steps_of(Probe::straight_path, options)};
         },
     .sweep = sweep_straight_path},
    {.probe = Probe::path_changes,
     .reads_path = true,
     .steps = 32,
     .runs = [](const ProbeOptions& options,
                std::size_t weights) { return along_paths(steps_of(Probe::path_changes, options) + 1, options, weights); },
     .layout =
         [](const Needs&, const ProbeOptions&, Weights weights) {
           return Sums::Layout{sizes(weights), false};
         },
     .sweep = sweep_path_changes},
};

}  // namespace

std::span<const ProbeInfo> probes() { return table; }
const ProbeInfo& info(Probe probe) { return *std::ranges::find(table, probe, &ProbeInfo::probe); }

}  // namespace safer
