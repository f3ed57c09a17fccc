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

/// In passes forwards and backwards: the gradients of inputs and those of weights each take as long as a forward pass.
double cost(const Passes& passes) { return static_cast<double>(passes.forward + 2 * passes.reverse) / 3; }

/// The criterion that costs the most, and its cost.
std::pair<std::string, double> costliest(const Network& network, RankOptions options) {
  std::pair<std::string, double> most;
  for (const std::string& name : criteria_of(options)) {
    options.criteria = {name};
    const double own = cost(count_passes(network, options));
    if (own > most.second) most = {name, own};
  }
  return most;
}

/// Seconds that one of these samples takes, from two runs: the first one packs the weights.
double sample_seconds(const Network& network, const Dataset& few, const RankOptions& options) {
  RankOptions gradient;
  gradient.criteria = {"gradient"};
  gradient.target = options.target;
  gradient.labels = few.labels;
  gradient.resamples = 0;
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 2; ++run) {
    const auto start = std::chrono::steady_clock::now();
    rank_layers(network, few.inputs, gradient);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best / static_cast<double>(few.size());
}

}  // namespace

double pass_seconds(const Network& network, const Dataset& calibration, const RankOptions& options) try {
  constexpr std::int64_t few = 4, more = 64;
  constexpr double soon = 0.01;  // seconds: so short a sample costs less than what a run does beside it
  if (calibration.size() == 0) return 0;
  const auto seconds = [&](std::int64_t samples) {
    return sample_seconds(network, calibration.slice(0, std::min(samples, calibration.size())), options);
  };
  const double first = seconds(few);
  return first < soon ? seconds(more) : first;
} catch (const Error&) {
  return 0;  // the ranking itself says what is wrong, where it matters to it
}

std::string cost_remark(const Network& network, const RankOptions& options, std::int64_t samples, double pass_seconds) {
  const double each = pass_seconds * static_cast<double>(samples);
  const auto takes = [each](double passes) { return duration(each * passes); };
  const Passes passes = count_passes(network, options);
  if (each * cost(passes) < worth_saying) return {};
  std::string text = fmt::format("safer rank: this will take up to {}: {} forward and {} reverse passes over {} samples",
                                 takes(cost(passes)), grouped(passes.forward), grouped(passes.reverse), samples);
  if (criteria_of(options).size() > 1) {
    const auto [name, most] = costliest(network, options);
    text += fmt::format("; {} alone up to {}", name, takes(most));
  }
  RankOptions joint = options;
  joint.path = "joint";
  if (const double fewer = cost(count_passes(network, joint)); fewer < cost(passes))
    text += fmt::format("; with --path joint, which moves all layers at once, up to {}", takes(fewer));
  return text + "\n";
}

}  // namespace safer::commands
