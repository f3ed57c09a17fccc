#include "tools/measure_output.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <ostream>

#include "tools/table.h"

namespace safer::commands {
namespace {

std::size_t at(Damage kind) { return static_cast<std::size_t>(kind); }
std::string_view name(Noise noise) { return noise_names[static_cast<std::size_t>(noise)]; }
std::string_view name(Place place) { return place_names[static_cast<std::size_t>(place)]; }
std::string_view name(Damage kind) { return damage_names[at(kind)]; }

std::string with_error(const Estimate& value) { return fmt::format("{:.4g} +- {:.1g}", value.mean, value.error); }

std::vector<std::size_t> by_rank(const Ranking& ranking) {
  std::vector<std::size_t> layers(ranking.size());
  std::iota(layers.begin(), layers.end(), std::size_t{0});
  std::ranges::stable_sort(layers, [&](std::size_t a, std::size_t b) { return ranking.rank[a] < ranking.rank[b]; });
  return layers;
}

bool is_settled(const PartialOrder& order, std::size_t above, std::size_t below) {
  return std::ranges::count(order.pairs, std::pair(static_cast<int>(above), static_cast<int>(below))) > 0;
}

/// Runs of neighbours whose order the measurement left open: "4 and 5".
std::vector<std::string> open_runs(const Ranking& ranking, const PartialOrder& order) {
  const std::vector<std::size_t> layers = by_rank(ranking);
  std::vector<std::string> runs;
  for (std::size_t first = 0, last; first < layers.size(); first = last + 1) {
    last = first;
    while (last + 1 < layers.size() && !ranking.failed[layers[last + 1]] && !is_settled(order, layers[last], layers[last + 1]))
      ++last;
    if (last > first)
      runs.push_back(
          fmt::format("{} {} {}", ranking.rank[layers[first]], last - first == 1 ? "and" : "to", ranking.rank[layers[last]]));
  }
  return runs;
}

std::string rank_text(const Ranking& ranking, std::size_t layer) {
  return ranking.failed[layer] ? "failed" : fmt::format("{}{}", ranking.rank[layer], ranking.tied[layer] ? "=" : " ");
}

void print_layers(std::ostream& out, const MeasureReport& report, const Ranking& ranking) {
  using enum Table::Align;
  Table table({{"rank", right}, {"layer"}, {"op"}, {"shape"}, {"logits"}, {"probabilities"}, {"accuracy"}, {"draws", right}, {""}});
  const std::vector<double> scores = report.measurement.scores(report.options.ranked_by);
  constexpr int bar_width = 20;
  double largest = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!ranking.failed[i]) largest = std::max(largest, scores[i]);
  for (const std::size_t i : by_rank(ranking)) {
    const LayerDamage& layer = report.measurement.layers[i];
    table.add({rank_text(ranking, i), layer.name, layer.op, layer.shape.str(), with_error(layer.mean[at(Damage::logits)]),
               with_error(layer.mean[at(Damage::probabilities)]), with_error(layer.mean[at(Damage::accuracy)]),
               std::to_string(layer.draws), bar(scores[i] / largest, bar_width)});
  }
  table.print(out);
}

void print_comparisons(std::ostream& out, const MeasureReport& report) {
  using enum Table::Align;
  out << "\nHow the criteria agree with it (all of the order; the settled pairs; Kendall's tau-b; pairs in the right order; "
         "ties):\n\n";
  Table table(
      {{"criterion"}, {"reduction"}, {"target"}, {"exact"}, {"settled"}, {"tau-b", right}, {"pairs", right}, {"tied", right}});
  for (const Comparison& one : report.comparisons) {
    if (!one.agreement) continue;
    const Agreement& agreement = *one.agreement;
    table.add({one.ranking.criterion, one.ranking.reduction, one.ranking.target, agreement.exact ? "yes" : "no",
               one.allowed ? "yes" : "no", fmt::format("{:.3f}", agreement.tau_b),
               fmt::format("{:.0f} %", 100 * agreement.pairwise), fmt::format("{:.0f} %", 100 * agreement.tied)});
  }
  table.print(out);
}

Json estimate_json(const Estimate& value) { return {{"mean", number(value.mean)}, {"error", number(value.error)}}; }

Json damages_json(const std::array<Estimate, damage_count>& damages) {
  Json json;
  for (std::size_t kind = 0; kind < damage_count; ++kind) json[std::string(damage_names[kind])] = estimate_json(damages[kind]);
  return json;
}

Json comparison_json(const Comparison& one) {
  Json json = {{"preset", one.ranking.preset}, {"criterion", one.ranking.criterion}, {"reduction", one.ranking.reduction},
               {"target", one.ranking.target}, {"samples", one.ranking.samples},     {"ranks", one.ranks.rank}};
  if (!one.agreement) return json;
  json["exact"] = one.agreement->exact;
  json["exact_on_settled"] = one.allowed;
  json["tau_b"] = one.agreement->tau_b;
  json["pairwise"] = one.agreement->pairwise;
  json["tied"] = one.agreement->tied;
  json["failures"] = one.agreement->failures;
  return json;
}

}  // namespace

Comparison compare(const RankReport& ranking, const Measurement& truth, Damage ranked_by) {
  std::vector<double> scores;
  for (const RankedLayer& layer : ranking.layers) scores.push_back(layer.score);
  Comparison result{ranking, safer::rank(scores), std::nullopt, false};
  const Ranking measured = safer::rank(truth.scores(ranked_by));
  if (measured.size() < 2 || measured.failures() > 0) return result;
  result.agreement = agreement(result.ranks, measured);
  result.allowed = truth.order[at(ranked_by)].allows(result.ranks);
  return result;
}

void print_measurement(std::ostream& out, const MeasureReport& report) {
  const MeasureOptions& options = report.options;
  const Measurement& found = report.measurement;
  out << fmt::format("model {}\ndata {}\n", report.model, report.data)
      << fmt::format("noise {} on {}{}, levels {}, {}{} fresh points a draw, seed {}\n", name(options.sweep.noise),
                     name(options.sweep.place), options.sweep.whole_neurons ? " of whole neurons" : "",
                     fmt::join(options.sweep.levels, " "), options.sweep.noise == Noise::rounding ? "" : "fresh noise and ",
                     found.points, options.seed)
      << fmt::format("ranked by {}; accuracy is lost {}\n\n", name(options.ranked_by),
                     found.labelled ? "right answers" : "answers that the network itself would have given (there are no labels)");
  const Ranking ranking = safer::rank(found.scores(options.ranked_by));
  print_layers(out, report, ranking);
  if (const std::vector<std::string> runs = open_runs(ranking, found.order[at(options.ranked_by)]); !runs.empty())
    out << fmt::format(
        "\nThe order of ranks {} is open: their damages do not differ significantly ({} % over all pairs and {} looks).\n",
        fmt::join(runs, ", of "), 100 * options.confidence, found.looks);
  if (std::ranges::any_of(report.comparisons, [](const Comparison& one) { return one.agreement.has_value(); }))
    print_comparisons(out, report);
}

Json measurement_json(const MeasureReport& report) {
  const MeasureOptions& options = report.options;
  const Measurement& found = report.measurement;
  const Ranking ranking = safer::rank(found.scores(options.ranked_by));
  const PartialOrder& order = found.order[at(options.ranked_by)];
  Json layers = Json::array(), settled = Json::array(), criteria = Json::array();
  for (std::size_t i = 0; i < found.layers.size(); ++i) {
    const LayerDamage& layer = found.layers[i];
    Json levels = Json::array();
    for (std::size_t level = 0; level < layer.by_level.size(); ++level) {
      levels.push_back(damages_json(layer.by_level[level]));
      levels.back()["level"] = options.sweep.levels[level];
    }
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"shape", sizes(layer.shape)},
                      {"unit", layer.unit},
                      {"draws", layer.draws},
                      {"rank", ranking.rank[i]},
                      {"failed", bool(ranking.failed[i])},
                      {"damage", damages_json(layer.mean)},
                      {"levels", levels}});
  }
  for (const auto& [above, below] : order.pairs)
    settled.push_back({found.layers[static_cast<std::size_t>(above)].name, found.layers[static_cast<std::size_t>(below)].name});
  for (const Comparison& one : report.comparisons) criteria.push_back(comparison_json(one));
  return {{"model", report.model},
          {"data", report.data},
          {"noise", name(options.sweep.noise)},
          {"on", name(options.sweep.place)},
          {"whole_neurons", options.sweep.whole_neurons},
          {"points", found.points},
          {"seed", options.seed},
          {"confidence", options.confidence},
          {"looks", found.looks},
          {"ranked_by", name(options.ranked_by)},
          {"labelled", found.labelled},
          {"layers", layers},
          {"settled", settled},
          {"open_pairs", order.open()},
          {"criteria", criteria}};
}

void print_measurement_csv(std::ostream& out, const MeasureReport& report) {
  std::vector<Table::Column> columns = {{"model"}, {"noise"}, {"on"}, {"name"}, {"op"}, {"shape"}, {"unit"}, {"draws"}, {"rank"}};
  for (const std::string_view kind : damage_names) {
    columns.push_back({std::string(kind)});
    columns.push_back({fmt::format("{}_error", kind)});
  }
  for (const Comparison& one : report.comparisons)
    columns.push_back({fmt::format("rank by {} {}", one.ranking.criterion, one.ranking.reduction)});
  Table table(columns);
  const Ranking ranking = safer::rank(report.measurement.scores(report.options.ranked_by));
  for (std::size_t i = 0; i < ranking.size(); ++i) {
    const LayerDamage& layer = report.measurement.layers[i];
    std::vector<std::string> cells = {report.model,
                                      std::string(name(report.options.sweep.noise)),
                                      std::string(name(report.options.sweep.place)),
                                      layer.name,
                                      layer.op,
                                      layer.shape.str(),
                                      csv_number(layer.unit),
                                      std::to_string(layer.draws),
                                      std::to_string(ranking.rank[i])};
    for (const Estimate& value : layer.mean) {
      cells.push_back(csv_number(value.mean));
      cells.push_back(csv_number(value.error));
    }
    for (const Comparison& one : report.comparisons) cells.push_back(std::to_string(one.ranks.rank[i]));
    table.add(std::move(cells));
  }
  table.print_csv(out);
}

}  // namespace safer::commands
