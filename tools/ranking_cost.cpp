#include "tools/ranking_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "criteria/relevance/table.h"
#include "engine/error.h"
#include "tools/progress.h"
#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr double worth_saying = 60;  // seconds

std::vector<std::string> criteria_of(const RankOptions& options) {
  if (options.criteria != std::vector<std::string>{"all"}) return options.criteria;
  std::vector<std::string> names;
  for (const Criterion* criterion : criteria()) names.emplace_back(criterion->name);
  return names;
}

/// The criterion that takes the most passes, and how many.
std::pair<std::string, std::int64_t> costliest(const Network& network, RankOptions options) {
  std::pair<std::string, std::int64_t> most;
  for (const std::string& name : criteria_of(options)) {
    options.criteria = {name};
    const std::int64_t passes = count_passes(network, options);
    if (passes > most.second) most = {name, passes};
  }
  return most;
}

}  // namespace

double pass_seconds(const Network& network, const Dataset& calibration, const RankOptions& options) try {
  const std::int64_t samples = std::min<std::int64_t>(calibration.size(), 4);
  if (samples == 0) return 0;
  const Dataset few = calibration.slice(0, samples);
  RankOptions gradient;
  gradient.criteria = {"gradient"};
  gradient.target = options.target;
  gradient.labels = few.labels;
  gradient.resamples = 0;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 2; ++run) {  // the first one packs the weights
    const auto start = std::chrono::steady_clock::now();
    rank_layers(network, few.inputs, gradient);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best / static_cast<double>(samples);
} catch (const Error&) {
  return 0;  // the ranking itself says what is wrong, where it matters to it
}

std::string cost_remark(const Network& network, const RankOptions& options, std::int64_t samples, double pass_seconds) {
  const double each = pass_seconds * static_cast<double>(samples);
  const auto takes = [each](std::int64_t passes) { return duration(each * static_cast<double>(passes)); };
  const std::int64_t passes = count_passes(network, options);
  if (each * static_cast<double>(passes) < worth_saying) return {};
  std::string text =
      fmt::format("safer rank: this will take up to {}: {} passes over {} samples", takes(passes), grouped(passes), samples);
  if (criteria_of(options).size() > 1) {
    const auto [name, most] = costliest(network, options);
    text += fmt::format("; {} alone up to {}", name, takes(most));
  }
  RankOptions joint = options;
  joint.path = "joint";
  if (const std::int64_t fewer = count_passes(network, joint); fewer < passes)
    text += fmt::format("; with --path joint, which moves all layers at once, up to {}", takes(fewer));
  return text + "\n";
}

}  // namespace safer::commands
