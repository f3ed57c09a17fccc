#include "criteria/relevance/sweep.h"

#include <algorithm>
#include <cmath>
#include <memory>

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
  if (options.draws < 2) throw Error("noise: {} draws; use at least 2", options.draws);
  if (!(options.noise >= 0 && std::isfinite(options.noise)))
    throw Error("noise: deviation {}; use a number of 0 or more", options.noise);
  if (options.masks < 2) throw Error("masks: {}; use at least 2", options.masks);
}

std::vector<const ParameterSpec*> specs_of(const Network& network, std::span<const int> weights) {
  std::vector<const ParameterSpec*> specs;
  for (const int weight : weights) specs.push_back(&network.parameters.spec(weight));
  return specs;
}

std::vector<std::int64_t> group_sizes(std::int64_t samples, int groups) {
  const std::vector<std::int64_t> bounds = split(samples, groups);
  std::vector<std::int64_t> sizes;
  for (std::size_t g = 0; g + 1 < bounds.size(); ++g) sizes.push_back(bounds[g + 1] - bounds[g]);
  return sizes;
}

/// Takes over what all needs of a probe gave before; false when that of one is not there.
bool take_over(const SharedSweeps& shared, Probe probe, std::span<const Needs> needs, Sums& sums) {
  const auto known = [&](const Needs& need) { return std::ranges::find(shared.outputs, need, &SharedSweeps::Swept::needs); };
  const auto missing = [&](const Needs& need) { return need.probe == probe && known(need) == shared.outputs.end(); };
  if (std::ranges::any_of(needs, missing)) return false;
  for (std::size_t need = 0; need < needs.size(); ++need)
    if (needs[need].probe == probe) std::ranges::copy(known(needs[need])->sums, sums.of(need).begin());
  return true;
}

void keep(SharedSweeps& shared, Probe probe, std::span<const Needs> needs, Sums& sums) {
  for (std::size_t need = 0; need < needs.size(); ++need)
    if (needs[need].probe == probe) shared.outputs.push_back({needs[need], {sums.of(need).begin(), sums.of(need).end()}});
}

}  // namespace

std::vector<Sums::Layout> layouts(const Network& network, std::span<const int> weights, std::span<const Needs> needs,
                                  const ProbeOptions& options) {
  const std::vector<const ParameterSpec*> specs = specs_of(network, weights);
  std::vector<Sums::Layout> all;
  for (const Needs& need : needs) all.push_back(info(need.probe).layout(need, options, specs));
  return all;
}

std::int64_t count_runs(const Network& network, std::span<const int> weights, std::span<const Needs> needs,
                        const ProbeOptions& options) {
  const std::vector<const ParameterSpec*> specs = specs_of(network, weights);
  std::int64_t runs = 0;
  for (const ProbeInfo* probe : probes_of(needs)) runs += probe->runs(options, specs);
  return runs;
}

Sums sweep(const Network& network, const Calibration& calibration, std::span<const int> weights, std::span<const Needs> needs,
           const SweepOptions& options) {
  check(options.probes);
  const std::vector<const ProbeInfo*> used = probes_of(needs);
  RunOptions how{.groups = options.groups, .seed = options.seed, .batch = options.batch};
  std::int64_t done = 0;
  const std::int64_t total = calibration.inputs.shape()[0] * count_runs(network, weights, needs, options.probes);
  if (options.progress) how.progress = [&](std::int64_t samples) { options.progress(done += samples, total); };

  SharedSweeps* shared = options.shared;
  if (shared && shared->groups == 0) shared->groups = options.groups;
  if (shared && shared->groups != options.groups) shared = nullptr;

  Sums sums(layouts(network, weights, needs, options.probes), group_sizes(calibration.inputs.shape()[0], options.groups));
  for (const Swept swept : {Swept::target, Swept::nothing, Swept::logits, Swept::probabilities, Swept::likelihood}) {
    how.swept = swept;
    how.moves_one = swept == Swept::logits ||
                    (swept == Swept::target && !options.probes.joint && std::ranges::any_of(used, &ProbeInfo::reads_path));
    how.chunk = 0;
    for (const ProbeInfo* probe : used)
      if (probe->swept == swept) how.chunk = std::max(how.chunk, probe->chunk);
    std::unique_ptr<TargetRuns> runs;
    for (const ProbeInfo* probe : used) {
      if (probe->swept != swept) continue;
      if (shared && gives_logits(swept) && take_over(*shared, probe->probe, needs, sums)) {
        if (how.progress) how.progress(calibration.inputs.shape()[0] * probe->runs(options.probes, specs_of(network, weights)));
        continue;
      }
      if (!runs) runs = std::make_unique<TargetRuns>(network, calibration, weights, how);
      probe->sweep({network, weights, needs, options.probes, options.seed, calibration.target, *runs, sums, shared});
      if (shared && gives_logits(swept)) keep(*shared, probe->probe, needs, sums);
    }
  }
  return sums;
}

}  // namespace safer
