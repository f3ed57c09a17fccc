#include "criteria/testbed/database/tables.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <tuple>

#include "criteria/agreement.h"
#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "criteria/testbed/database/score.h"
#include "engine/error.h"
#include "engine/random.h"

namespace safer {
namespace {

using Scores = std::vector<double>;

/// Collects the networks of one cell.
class Collector {
 public:
  void add(const Scores& scores, const Case& one) {
    const Ranking ranking = rank(scores), truth = rank(one.truth);
    if (truth.failures() > 0) {
      put(0, 0, -1, 0, 0);
      return;
    }
    const Agreement agreement = safer::agreement(ranking, truth);
    const std::optional<double> settled = one.order.pairs.empty() ? std::nullopt : std::optional<double>(one.order.allows(ranking));
    put(agreement.exact, settled, agreement.tau_b, agreement.pairwise, agreement.tied);
  }
  Cell cell() const {
    Cell cell{.networks = static_cast<int>(exact_.size()), .settled_networks = static_cast<int>(settled_.size())};
    cell.exact = estimate(exact_), cell.settled = estimate(settled_), cell.tau_b = estimate(tau_b_);
    cell.pairwise = estimate(pairwise_), cell.tied = estimate(tied_);
    return cell;
  }

 private:
  void put(double exact, std::optional<double> settled, double tau_b, double pairwise, double tied) {
    exact_.push_back(exact), tau_b_.push_back(tau_b), pairwise_.push_back(pairwise), tied_.push_back(tied);
    if (settled) settled_.push_back(*settled);
  }
  std::vector<double> exact_, settled_, tau_b_, pairwise_, tied_;
};

/// The mean of independent cells.
Cell mean_cell(const std::vector<const Cell*>& cells) {
  Cell mean;
  const auto average = [&](Estimate Cell::*part) {
    double sum = 0, squares = 0, count = 0;
    for (const Cell* cell : cells) {
      const Estimate& value = cell->*part;
      if (std::isnan(value.mean)) continue;
      sum += value.mean, squares += value.error * value.error, ++count;
    }
    mean.*part = {sum / count, std::sqrt(squares) / count};
  };
  for (Estimate Cell::*part : {&Cell::exact, &Cell::settled, &Cell::tau_b, &Cell::pairwise, &Cell::tied}) average(part);
  for (const Cell* cell : cells) mean.networks += cell->networks, mean.settled_networks += cell->settled_networks;
  return mean;
}

/// Runs of cases of one row.
std::vector<std::span<const Case>> rows_of(std::span<const Case> cases) {
  const auto key = [](const Case& one) { return std::tuple(one.family, one.condition.place, one.condition.noise); };
  std::vector<std::span<const Case>> rows;
  for (std::size_t begin = 0, end = 0; begin < cases.size(); begin = end) {
    while (end < cases.size() && key(cases[end]) == key(cases[begin])) ++end;
    rows.push_back(cases.subspan(begin, end - begin));
  }
  return rows;
}

Scores random_scores(const Case& one) {
  const auto condition = static_cast<std::uint64_t>(one.condition.noise) * 2 + static_cast<std::uint64_t>(one.condition.place);
  Random random(mix(mix(hash("random order"), static_cast<std::uint64_t>(one.network)), condition));
  Scores scores(one.units.count);
  for (double& score : scores) score = random.uniform();
  return scores;
}

Scores depth_scores(const Case& one, double sign) {
  Scores scores(one.units.count);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = sign * static_cast<double>(i);
  return scores;
}

/// How well an order agrees with all conditions of a network: first how often it is exactly right, then by tau-b.
std::pair<int, double> quality(const Scores& order, const std::vector<const Case*>& conditions) {
  int exact = 0;
  double tau = 0;
  for (const Case* one : conditions) {
    const Agreement agreement = safer::agreement(rank(order), rank(one->truth));
    exact += agreement.exact, tau += agreement.tau_b;
  }
  return {exact, tau};
}

/// By network, the scores of its best single order.
std::map<std::int64_t, Scores> best_orders(std::span<const Case> cases) {
  std::map<std::int64_t, std::vector<const Case*>> by_network;
  for (const Case& one : cases)
    if (rank(one.truth).failures() == 0) by_network[one.network].push_back(&one);
  std::map<std::int64_t, Scores> best;
  for (const auto& [network, conditions] : by_network) {
    Scores mean(conditions.front()->units.count);
    for (const Case* one : conditions) {
      const Ranking truth = rank(one->truth);
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] -= truth.rank[i];
    }
    Scores chosen = mean;
    for (const Case* one : conditions)
      if (quality(one->truth, conditions) > quality(chosen, conditions)) chosen = one->truth;
    best[network] = chosen;
  }
  return best;
}

/// A column and where its scores come from; no scores where a file has none.
struct Source {
  Column column;
  std::function<Scores(const Case&)> scores;
};

std::vector<Source> references(Database& database, std::span<const Case> cases, Damage damage) {
  std::vector<Source> sources;
  const auto add = [&](std::string_view name, std::function<Scores(const Case&)> scores) {
    sources.push_back({{"", std::string(name), "", true}, std::move(scores)});
  };
  add("random", random_scores);
  add("depth", [](const Case& one) { return depth_scores(one, -1); });
  add("depth-reverse", [](const Case& one) { return depth_scores(one, 1); });
  add("parameters", [](const Case& one) { return one.units.weights; });
  add("best-order", [best = best_orders(cases)](const Case& one) {
    const auto found = best.find(one.network);
    return found == best.end() ? depth_scores(one, -1) : found->second;  // not measurable: wrong in any case
  });
  for (const std::string_view name : {linear_formula, reparametrised, monte_carlo})
    add(name, [&database, reader = std::make_shared<ScoreReader>(database), name, damage](const Case& one) {
      const auto noise = static_cast<std::size_t>(one.condition.noise), place = static_cast<std::size_t>(one.condition.place);
      return reader->read(one,
                          find_ranker(database, {"", std::string(name), std::string(damage_names[static_cast<std::size_t>(damage)]),
                                                 std::string(noise_names[noise]), std::string(place_names[place])}));
    });
  add("ceiling", [](const Case& one) { return one.again; });
  return sources;
}

std::vector<Source> criteria_sources(Database& database, const std::string& preset, const std::string& reduction) {
  std::vector<Source> sources;
  const auto reader = std::make_shared<ScoreReader>(database);
  Statement names = database.prepare(
      "SELECT id, criterion FROM ranker WHERE preset = ? AND reduction = ? AND noise = '' AND place = '' ORDER BY id");
  for (names.bind(preset, reduction); names.step();)
    sources.push_back({{preset, names.text(1), reduction, false},
                       [reader, ranker = names.integer(0)](const Case& one) { return reader->read(one, ranker); }});
  return sources;
}

Cell evaluate(const Source& source, std::span<const Case> row) {
  Collector collector;
  for (const Case& one : row)
    if (const Scores scores = source.scores(one); !scores.empty()) collector.add(scores, one);
  return collector.cell();
}

Table1 make_table(std::span<const Case> cases, const std::vector<Source>& sources) {
  Table1 table;
  for (const Source& source : sources) table.columns.push_back(source.column);
  for (const std::span<const Case> cases_of_row : rows_of(cases)) {
    Row row{cases_of_row.front().family, cases_of_row.front().condition, static_cast<int>(cases_of_row.size()), 0, 0, {}};
    for (const Case& one : cases_of_row) {
      row.unmeasurable += rank(one.truth).failures() > 0;
      row.open_pairs += one.order.open() / static_cast<double>(cases_of_row.size());
    }
    for (const Source& source : sources) row.cells.push_back(evaluate(source, cases_of_row));
    table.rows.push_back(std::move(row));
  }
  for (std::size_t column = 0; column < sources.size(); ++column) {
    std::vector<const Cell*> cells;
    for (const Row& row : table.rows)
      if (row.cells[column].networks > 0) cells.push_back(&row.cells[column]);
    table.average.push_back(mean_cell(cells));
  }
  return table;
}

std::vector<Case> cases_for(Database& database, const TableOptions& options) {
  find_preset(options.preset);
  std::vector<Case> cases = read_cases(database, options.damage, options.blocks);
  if (cases.empty()) throw Error("{}: no measured networks; 'safer testbed build' adds some", database.file());
  return cases;
}

}  // namespace

const Estimate& of(const Cell& cell, Metric metric) {
  switch (metric) {
    case Metric::exact: return cell.exact;
    case Metric::settled: return cell.settled;
    case Metric::tau_b: return cell.tau_b;
    case Metric::pairwise: return cell.pairwise;
    default: return cell.tied;
  }
}

std::vector<std::string> Table1::no_better_than_random() const {
  std::vector<std::string> names;
  const auto random =
      std::ranges::find_if(columns, [](const Column& column) { return column.reference && column.criterion == "random"; });
  if (random == columns.end()) return names;
  const Estimate chance = average[static_cast<std::size_t>(random - columns.begin())].tau_b;
  for (std::size_t column = 0; column < columns.size(); ++column) {
    const Estimate own = average[column].tau_b;
    if (!columns[column].reference && !(own.mean - chance.mean >= 2 * std::hypot(own.error, chance.error)))
      names.push_back(columns[column].criterion);
  }
  return names;
}

Table1 table1(Database& database, const TableOptions& options) {
  const std::vector<Case> cases = cases_for(database, options);
  const std::string reduction(options.reduction.empty() ? find_preset(options.preset).reduction
                                                        : find_reduction(options.reduction).name);
  std::vector<Source> sources = criteria_sources(database, options.preset, reduction);
  for (Source& source : references(database, cases, options.damage)) sources.push_back(std::move(source));
  return make_table(cases, sources);
}

Table2 table2(Database& database, const TableOptions& options) {
  const std::vector<Case> cases = cases_for(database, options);
  Table2 table;
  for (const Reduction& reduction : reductions()) {
    const Table1 one = make_table(cases, criteria_sources(database, options.preset, std::string(reduction.name)));
    std::vector<const Cell*> cells;
    for (const Cell& cell : one.average)
      if (cell.networks > 0) cells.push_back(&cell);
    if (!cells.empty()) table.lines.push_back({std::string(reduction.name), mean_cell(cells)});
  }
  return table;
}

}  // namespace safer
