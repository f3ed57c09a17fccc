#include "criteria/rank_layers.h"

#include <algorithm>
#include <limits>

#include "criteria/bootstrap.h"
#include "criteria/layer_scores.h"
#include "criteria/ranking.h"
#include "criteria/relevance/sweep.h"
#include "criteria/relevance/table.h"
#include "engine/error.h"
#include "models/evaluation.h"
#include "models/network.h"

namespace safer {
namespace {

constexpr int most_groups = 16, least_groups = 4;  // with fewer, a 95 % interval would say little
// Resampling should not cost more than the sweep: about 0.3 s, then 1 us a weight. The lowest and
// highest of 72 draws leave out 1.4 % at either end on average, as is wanted with 16 groups; more draws make the ends steadier.
constexpr std::int64_t least_resamples = 72, resampled_weights = 20'000'000;
constexpr std::int64_t resample_steps = 2;  // of progress, where a sample is one

using Names = std::vector<std::string>;

bool is_all(const Names& names) { return names.size() == 1 && names.front() == "all"; }

LayerScores::Request resolve(const Preset& preset, const RankOptions& options) {
  LayerScores::Request request{preset.id, {}, {}};
  if (is_all(options.criteria)) {
    request.criteria.assign(criteria().begin(), criteria().end());
  } else {
    for (const std::string& name : options.criteria.empty() ? Names{std::string(preset.criterion)} : options.criteria)
      request.criteria.push_back(&find_criterion(name));
  }
  if (is_all(options.reductions)) {
    for (const Reduction& reduction : reductions()) request.reductions.push_back(&reduction);
  } else {
    for (const std::string& name : options.reductions.empty() ? Names{std::string(preset.reduction)} : options.reductions)
      request.reductions.push_back(&find_reduction(name));
  }
  return request;
}

/// A single logit has no class to be told from: it is taken as it is.
std::string choose_target(const Network& network, const Preset& preset, const RankOptions& options) {
  if (!options.target.empty()) return options.target;
  return std::string(network.classes() == 1 ? "top-logit" : preset.target);
}

ProbeOptions probe_options(const RankOptions& options) {
  if (options.path != "layer" && options.path != "joint")
    throw Error("unknown path '{}'; choose one of: layer, joint", options.path);
  return {.joint = options.path == "joint",
          .steps = options.steps,
          .draws = options.draws,
          .noise = options.noise,
          .masks = options.masks};
}

std::vector<Layer> layers_to_rank(const Network& network, bool rank_head) {
  if (network.parameters.type() != DType::f32)
    throw Error("{}: weights are {}; ranking needs f32", network.name, name(network.parameters.type()));
  std::vector<Layer> layers = network.tape.layers();
  if (!rank_head && !layers.empty()) layers.pop_back();
  if (layers.empty()) throw Error("{}: no layers to rank; a layer is a weight that the network reads", network.name);
  for (const Layer& layer : layers)
    if (layer_shape(layer, network.parameters.spec(layer.parameter).shape).size() == 0)
      throw Error("{}: layer '{}' has no weights (shape {})", network.name, layer.name,
                  network.parameters.spec(layer.parameter).shape);
  return layers;
}

std::vector<int> weights_of(const std::vector<Layer>& layers) {
  std::vector<int> weights;
  for (const Layer& layer : layers)
    if (std::ranges::find(weights, layer.parameter) == weights.end()) weights.push_back(layer.parameter);
  return weights;
}

std::int64_t count_weights(const Parameters& parameters, const std::vector<int>& weights) {
  std::int64_t count = 0;
  for (const int weight : weights) count += parameters.spec(weight).shape.size();
  return count;
}

/// As many groups as the memory holds; 1 where there can be no interval.
int count_groups(const RankOptions& options, std::int64_t samples, std::span<const Sums::Layout> layouts) {
  std::size_t set = 0;  // bytes a group
  for (const Sums::Layout& layout : layouts)
    if (layout.grouped)
      for (const std::int64_t count : layout.elements) set += sizeof(double) * static_cast<std::size_t>(count);
  if (options.resamples <= 0 || set == 0) return 1;
  const std::size_t fit = 1 + options.bootstrap_bytes / set;
  const auto groups = static_cast<int>(std::min({fit, static_cast<std::size_t>(samples), static_cast<std::size_t>(most_groups)}));
  return groups < least_groups ? 1 : groups;
}

int count_resamples(const RankOptions& options, int groups, std::int64_t weights) {
  if (groups == 1) return 0;
  const std::int64_t affordable = std::max(least_resamples, resampled_weights / std::max<std::int64_t>(1, weights));
  return static_cast<int>(std::min<std::int64_t>(options.resamples, affordable));
}

/// Everything between the names and the report.
struct Ranker {
  const Network& network;
  const RankOptions& options;
  LayerScores::Request request;
  std::vector<Layer> layers;
  std::vector<int> weights;
  std::vector<Needs> needs;
  ProbeOptions probes;
  std::int64_t samples = 0;
  int groups = 1, resamples = 0;

  Ranker(const Network& of, const Preset& preset, const RankOptions& with);
  Sums sweep(const Tensor& calibration, Target target, SharedSweeps* shared);
  std::vector<double> scores(const LayerScores& of) const;
  std::vector<double> resampled_scores(const LayerScores& of) const;
  std::int64_t runs() const { return count_runs(network, weights, needs, probes); }
  std::int64_t steps() const { return samples * runs() + resamples * resample_steps; }
  void progress(std::int64_t done) const {
    if (options.progress) options.progress(done, steps());
  }
};

Ranker::Ranker(const Network& of, const Preset& preset, const RankOptions& with)
    : network(of),
      options(with),
      request(resolve(preset, with)),
      layers(layers_to_rank(of, with.rank_head)),
      weights(weights_of(layers)),
      needs(LayerScores::distinct_needs(request)),
      probes(probe_options(with)) {}

Sums Ranker::sweep(const Tensor& calibration, Target target, SharedSweeps* shared) {
  const std::int64_t count = count_weights(network.parameters, weights);
  if (needs.empty()) return Sums({}, {0});
  check_inputs(network, calibration, "calibration");
  samples = calibration.shape()[0];
  if (samples == 0) throw Error("calibration: 0 samples; criterion '{}' needs some", request.criteria.back()->name);
  groups = count_groups(options, samples, layouts(network, weights, needs, probes));
  resamples = count_resamples(options, groups, count);
  const auto swept = [this](std::int64_t done, std::int64_t) { progress(done); };
  const SweepOptions how{groups, options.seed, options.batch, probes, swept, shared};
  return safer::sweep(network, {calibration, options.labels, target}, weights, needs, how);
}

std::vector<double> Ranker::scores(const LayerScores& of) const {
  std::vector<double> out(of.scores());
  of.score(out);
  return out;
}

std::vector<double> Ranker::resampled_scores(const LayerScores& of) const {
  const Resamples draws(groups, resamples, options.seed);
  std::vector<double> out(static_cast<std::size_t>(resamples) * of.scores());
  constexpr int block = 50;  // between two reports of progress
  for (int begin = 0; begin < resamples; begin += block) {
    const auto first = static_cast<std::size_t>(begin), count = static_cast<std::size_t>(std::min(block, resamples - begin));
    of.resample(draws.all().subspan(first * static_cast<std::size_t>(groups), count * static_cast<std::size_t>(groups)),
                std::span(out).subspan(first * of.scores(), count * of.scores()));
    progress(samples * runs() + static_cast<std::int64_t>(first + count) * resample_steps);
  }
  return out;
}

/// How sure a criterion's scores are: they read no data, can be resampled, or nothing is known.
enum class Certainty { certain, resampled, unknown };

std::vector<ItemInterval> without_resamples(std::span<const double> scores, const Ranking& ranking, Certainty certainty) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<ItemInterval> intervals;
  for (std::size_t i = 0; i < scores.size(); ++i)
    intervals.push_back(certainty == Certainty::certain ? ItemInterval{scores[i], scores[i], ranking.rank[i], ranking.rank[i]}
                                                        : ItemInterval{nan, nan, 1, static_cast<int>(scores.size())});
  return intervals;
}

/// The scores of all layers by one pair of criterion and reduction (`pair` counts them), of each resample in turn.
std::vector<double> of_pair(std::span<const double> all, std::size_t pair, std::size_t layers, std::size_t scores) {
  std::vector<double> own;
  for (std::size_t begin = pair * layers; begin < all.size(); begin += scores)
    own.insert(own.end(), all.begin() + static_cast<std::ptrdiff_t>(begin),
               all.begin() + static_cast<std::ptrdiff_t>(begin + layers));
  return own;
}

RankedLayer describe(const Network& network, const Layer& layer) {
  RankedLayer described;
  described.name = layer.name;
  described.op = network.tape.node(layer.uses.front()).op->name();
  described.shape = layer_shape(layer, network.parameters.spec(layer.parameter).shape);
  described.weights = described.shape.size();
  return described;
}

std::vector<RankedLayer> ranked_layers(const Ranker& ranker, std::span<const double> scores, std::span<const double> resampled,
                                       Certainty certainty) {
  const Ranking ranking = rank(scores);
  const std::vector<ItemInterval> intervals = certainty == Certainty::resampled
                                                  ? bootstrap_intervals(scores, resampled, ranker.groups)
                                                  : without_resamples(scores, ranking, certainty);
  std::vector<RankedLayer> ranked;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    RankedLayer layer = describe(ranker.network, ranker.layers[i]);
    layer.score = scores[i], layer.rank = ranking.rank[i];
    layer.score_low = intervals[i].score_low, layer.score_high = intervals[i].score_high;
    layer.rank_low = intervals[i].rank_low, layer.rank_high = intervals[i].rank_high;
    layer.tied = ranking.tied[i], layer.failed = ranking.failed[i];
    ranked.push_back(std::move(layer));
  }
  return ranked;
}

std::vector<Relevance> relevances(const Ranker& ranker, const LayerScores& scores) {
  std::vector<Relevance> all;
  for (std::size_t criterion = 0; criterion < ranker.request.criteria.size(); ++criterion)
    for (std::size_t weight = 0; weight < ranker.weights.size(); ++weight) {
      const ParameterSpec& spec = ranker.network.parameters.spec(ranker.weights[weight]);
      Tensor phi(DType::f64, scores.relevance_shape(criterion, weight));
      scores.relevance(criterion, weight, phi.mutable_values<double>());
      all.push_back({std::string(ranker.request.criteria[criterion]->name), spec.name, phi.to(DType::f32)});
    }
  return all;
}

/// What a criterion is and was told, without its layers.
RankReport settings(const Ranker& ranker, const Criterion& criterion, const Preset& preset, const std::string& target) {
  RankReport report;
  report.model = ranker.network.name;
  report.preset = preset.name;
  report.criterion = criterion.name;
  report.target = "none";
  report.seed = ranker.options.seed;
  const Probe probe = criterion.needs(preset.id).probe;
  if (probe == Probe::none) return report;
  const ProbeInfo& used = info(probe);
  report.target = gives_logits(used.swept) ? "outputs" : target;
  report.samples = ranker.samples;
  if (used.reads_path) report.path = ranker.options.path;
  if (used.steps > 0) report.steps = steps_of(probe, ranker.probes);
  if (used.reads_noise) report.draws = ranker.probes.draws, report.noise = ranker.probes.noise;
  if (used.reads_masks) report.masks = ranker.probes.masks;
  return report;
}

RankResult rank_by(const Network& network, const Tensor& calibration, const RankOptions& options, const Preset& preset,
                   SharedSweeps* shared) {
  const std::string target = choose_target(network, preset, options);
  Ranker ranker(network, preset, options);
  const Sums sums = ranker.sweep(calibration, find_target(target), shared);
  const LayerScores layer_scores(ranker.request, network.parameters, ranker.weights, ranker.layers, sums);
  const std::vector<double> scores = ranker.scores(layer_scores), resampled = ranker.resampled_scores(layer_scores);

  RankResult result;
  result.sweeps = ranker.runs();
  const std::size_t layers = ranker.layers.size(), reductions = ranker.request.reductions.size();
  for (std::size_t c = 0; c < ranker.request.criteria.size(); ++c)
    for (std::size_t r = 0; r < reductions; ++r) {
      RankReport report = settings(ranker, *ranker.request.criteria[c], preset, target);
      report.reduction = ranker.request.reductions[r]->name;
      report.resampled = layer_scores.resamples(c) && ranker.resamples > 0;
      const Certainty certainty = report.target == "none" ? Certainty::certain
                                  : report.resampled      ? Certainty::resampled
                                                          : Certainty::unknown;
      const std::size_t pair = c * reductions + r;
      report.layers = ranked_layers(ranker, of_pair(scores, pair, layers, scores.size()),
                                    of_pair(resampled, pair, layers, scores.size()), certainty);
      result.reports.push_back(std::move(report));
    }
  if (options.keep_relevance) result.relevance = relevances(ranker, layer_scores);
  return result;
}

}  // namespace

RankResult rank_layers(const Network& network, const Tensor& calibration, const RankOptions& options) {
  return rank_by(network, calibration, options, find_preset(options.preset), nullptr);
}

std::vector<RankResult> rank_layers(const Network& network, const Tensor& calibration, const RankOptions& options,
                                    std::span<const std::string> presets) {
  SharedSweeps shared;
  std::vector<RankResult> results;
  for (const std::string& preset : presets)
    results.push_back(rank_by(network, calibration, options, find_preset(preset), presets.size() > 1 ? &shared : nullptr));
  return results;
}

Passes count_passes(const Network& network, const RankOptions& options) {
  const Ranker ranker(network, find_preset(options.preset), options);
  Passes passes;
  for (const ProbeInfo& probe : probes()) {
    std::vector<Needs> own = ranker.needs;
    std::erase_if(own, [&](const Needs& need) { return need.probe != probe.probe; });
    const bool all_outputs = probe.swept == Swept::probabilities || probe.swept == Swept::likelihood;
    const std::int64_t runs = count_runs(network, ranker.weights, own, ranker.probes);
    passes.forward += runs;
    if (!probe.forward_only) passes.reverse += runs * (all_outputs ? output_sweeps(network.classes()) : 1);
  }
  return passes;
}

}  // namespace safer
