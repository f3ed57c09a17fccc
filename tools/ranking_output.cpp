#include "tools/ranking_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr int bar_width = 30;

std::vector<const RankedLayer*> by_rank(const RankReport& report) {
  std::vector<const RankedLayer*> layers;
  for (const RankedLayer& layer : report.layers) layers.push_back(&layer);
  std::ranges::stable_sort(
      layers, [](const RankedLayer* a, const RankedLayer* b) { return a->failed != b->failed ? b->failed : a->rank < b->rank; });
  return layers;
}

bool has_interval(const RankedLayer& layer) { return std::isfinite(layer.score_low) && std::isfinite(layer.score_high); }

std::string rank_text(const RankedLayer& layer) {
  return layer.failed ? "failed" : fmt::format("{}{}", layer.rank, layer.tied ? "=" : " ");
}

std::string interval(const RankedLayer& layer, const std::string& low, const std::string& high) {
  return !has_interval(layer) ? "-" : low == high ? low : low + " .. " + high;
}

void print_layers(std::ostream& out, std::span<const RankedLayer* const> layers) {
  using enum Table::Align;
  double largest = 0;
  for (const RankedLayer* layer : layers)
    if (!layer->failed) largest = std::max(largest, layer->score);
  Table table({{"rank", right},
               {"layer"},
               {"op"},
               {"shape"},
               {"weights", right},
               {"score", right},
               {"95 % of score"},
               {"95 % of rank"},
               {""}});
  const auto score = [](double value) { return fmt::format("{:.4g}", value); };
  for (const RankedLayer* layer : layers)
    table.add({rank_text(*layer), layer->name, layer->op, layer->shape.str(), grouped(layer->weights), score(layer->score),
               interval(*layer, score(layer->score_low), score(layer->score_high)),
               interval(*layer, std::to_string(layer->rank_low), std::to_string(layer->rank_high)),
               layer->failed ? "" : bar(layer->score / largest, bar_width)});
  table.print(out);
}

bool order_is_uncertain(const RankedLayer& above, const RankedLayer& below) {
  return !below.failed && has_interval(above) && has_interval(below) && above.rank < below.rank &&
         below.rank_low <= above.rank_high;
}

/// Runs of neighbours in the ranking, not tied, whose intervals overlap: those of the ranks. Intervals of scores say less, because
/// one choice of samples raises or lowers all layers together.
std::vector<std::string> uncertain_runs(std::span<const RankedLayer* const> layers) {
  std::vector<std::string> runs;
  for (std::size_t first = 0, last; first < layers.size(); first = last + 1) {
    last = first;
    while (last + 1 < layers.size() && order_is_uncertain(*layers[last], *layers[last + 1])) ++last;
    if (last > first)
      runs.push_back(fmt::format("{} {} {}", layers[first]->rank, last - first == 1 ? "and" : "to", layers[last]->rank));
  }
  return runs;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> settings(const RankReport& report) {
  std::vector<std::pair<std::string, std::string>> read;
  if (!report.path.empty()) read.emplace_back("path", report.path);
  if (report.steps > 0) read.emplace_back("steps", std::to_string(report.steps));
  if (report.draws > 0) {
    read.emplace_back("draws", std::to_string(report.draws));
    read.emplace_back("noise", fmt::format("{}", report.noise));
  }
  if (report.masks > 0) read.emplace_back("masks", std::to_string(report.masks));
  return read;
}

void print_ranking(std::ostream& out, const RankReport& report) {
  out << fmt::format("preset {}: criterion {}, reduction {}, target {}, {} samples, seed {}", report.preset, report.criterion,
                     report.reduction, report.target, report.samples, report.seed);
  for (const auto& [name, value] : settings(report)) out << fmt::format(", {} {}", name, value);
  out << "\n\n";
  const std::vector<const RankedLayer*> layers = by_rank(report);
  print_layers(out, layers);
  if (const std::vector<std::string> runs = uncertain_runs(layers); !runs.empty())
    out << fmt::format("\nThe order of ranks {} may be chance: their 95 % intervals overlap.\n", fmt::join(runs, ", of "));
}

Json ranking_json(const RankReport& report) {
  Json layers = Json::array();
  for (const RankedLayer& layer : report.layers)
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"shape", sizes(layer.shape)},
                      {"weights", layer.weights},
                      {"score", number(layer.score)},
                      {"rank", layer.rank},
                      {"score_low", number(layer.score_low)},
                      {"score_high", number(layer.score_high)},
                      {"rank_low", layer.rank_low},
                      {"rank_high", layer.rank_high}});
  Json document = {{"model", report.model},
                   {"preset", report.preset},
                   {"criterion", report.criterion},
                   {"reduction", report.reduction},
                   {"target", report.target},
                   {"samples", report.samples},
                   {"seed", report.seed}};
  if (!report.path.empty()) document["path"] = report.path;
  if (report.steps > 0) document["steps"] = report.steps;
  if (report.draws > 0) document["draws"] = report.draws, document["noise"] = report.noise;
  if (report.masks > 0) document["masks"] = report.masks;
  document["layers"] = layers;
  return document;
}

void print_rankings_csv(std::ostream& out, std::span<const RankReport> reports) {
  Table table({{"model"},
               {"preset"},
               {"criterion"},
               {"reduction"},
               {"target"},
               {"samples"},
               {"seed"},
               {"settings"},
               {"name"},
               {"op"},
               {"shape"},
               {"weights"},
               {"score"},
               {"rank"},
               {"score_low"},
               {"score_high"},
               {"rank_low"},
               {"rank_high"}});
  for (const RankReport& report : reports) {
    std::string how;
    for (const auto& [name, value] : settings(report)) how += fmt::format("{}{}={}", how.empty() ? "" : " ", name, value);
    for (const RankedLayer& layer : report.layers)
      table.add({report.model, report.preset, report.criterion, report.reduction, report.target, std::to_string(report.samples),
                 std::to_string(report.seed), how, layer.name, layer.op, layer.shape.str(), std::to_string(layer.weights),
                 csv_number(layer.score), std::to_string(layer.rank), csv_number(layer.score_low), csv_number(layer.score_high),
                 std::to_string(layer.rank_low), std::to_string(layer.rank_high)});
  }
  table.print_csv(out);
}

}  // namespace safer::commands
