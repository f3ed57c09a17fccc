#include "criteria/relevance/sweep.h"

#include <algorithm>

#include "engine/error.h"

namespace safer {
namespace {

std::vector<const ProbeInfo*> probes_of(std::span<const Needs> needs) {
  std::vector<const ProbeInfo*> used;
  for (const ProbeInfo& probe : probes())
    if (std::ranges::find(needs, probe.probe, &Needs::probe) != needs.end()) used.push_back(&probe);
  return used;
}

void check(const ProbeOptions& options) {
  if (options.steps < 0) throw Error("path: {} steps; use at least 1", options.steps);
}

}  // namespace

std::vector<Sums::Layout> layouts(const Network& network, std::span<const int> weights, std::span<const Needs> needs,
                                  const ProbeOptions& options) {
  std::vector<const ParameterSpec*> specs;
  for (const int weight : weights) specs.push_back(&network.parameters.spec(weight));
  std::vector<Sums::Layout> all;
  for (const Needs& need : needs) all.push_back(info(need.probe).layout(need, options, specs));
  return all;
}

std::int64_t count_runs(std::span<const Needs> needs, const ProbeOptions& options, std::size_t weights) {
  std::int64_t runs = 0;
  for (const ProbeInfo* probe : probes_of(needs)) runs += probe->runs(options, weights);
  return runs;
}

Sums sweep(const Network& network, const Calibration& calibration, std::span<const int> weights, std::span<const Needs> needs,
           const SweepOptions& options) {
  check(options.probes);
  const std::vector<const ProbeInfo*> used = probes_of(needs);
  RunOptions how{.groups = options.groups, .seed = options.seed, .batch = options.batch};
  how.moves_one = !options.probes.joint && std::ranges::any_of(used, &ProbeInfo::reads_path);
  std::int64_t done = 0;
  const std::int64_t total = calibration.inputs.shape()[0] * count_runs(needs, options.probes, weights.size());
  if (options.progress) how.progress = [&](std::int64_t samples) { options.progress(done += samples, total); };
  TargetRuns runs(network, calibration, weights, how);

  std::vector<std::int64_t> group_sizes;
  for (std::size_t g = 0; g + 1 < runs.group_bounds().size(); ++g)
    group_sizes.push_back(runs.group_bounds()[g + 1] - runs.group_bounds()[g]);

  Sums sums(layouts(network, weights, needs, options.probes), std::move(group_sizes));
  for (const ProbeInfo* probe : used) probe->sweep({network, weights, needs, options.probes, runs, sums});
  return sums;
}

}  // namespace safer
