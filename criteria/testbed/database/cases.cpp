#include "criteria/testbed/database/cases.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>

#include "criteria/testbed/database/score.h"

namespace safer {
namespace {

/// Reads what a network's layers are.
class LayerReader {
 public:
  LayerReader(Database& database, bool blocks)
      : rows_(database.prepare("SELECT name, block, weights FROM layer WHERE network = ? ORDER BY position")), blocks_(blocks) {}
  Units read(std::int64_t network) {
    Units units;
    std::vector<std::string> names;
    for (rows_.bind(network); rows_.step();) {
      const std::string name = rows_.text(blocks_ ? 1 : 0);
      const auto found = std::ranges::find(names, name);
      units.of_layer.push_back(static_cast<std::size_t>(found - names.begin()));
      if (found == names.end()) {
        names.push_back(name);
        units.weights.push_back(0);
      }
      units.weights[units.of_layer.back()] += rows_.real(2);
    }
    units.count = names.size();
    return units;
  }

 private:
  Statement rows_;
  bool blocks_;
};

/// Reads measurements by one kind of damage.
class MeasurementReader {
 public:
  MeasurementReader(Database& database, Damage damage)
      : find_(database.prepare("SELECT id FROM measurement WHERE network = ? AND noise = ? AND place = ? AND repetition = ?")),
        damages_(database.prepare(fmt::format("SELECT {} FROM damage WHERE measurement = ? ORDER BY layer",
                                              damage_names[static_cast<std::size_t>(damage)]))),
        settled_(database.prepare("SELECT above, below FROM settled WHERE measurement = ? AND damage = ?")),
        damage_(damage) {}

  /// Damage by layer; empty when there is no such measurement.
  std::vector<double> damages(std::int64_t network, const Condition& condition, int repetition) {
    std::vector<double> values;
    if (!find(network, condition, repetition)) return values;
    for (damages_.bind(find_.integer(0)); damages_.step();) values.push_back(damages_.real(0));
    return values;
  }
  PartialOrder order(std::int64_t network, const Condition& condition, std::size_t layers) {
    PartialOrder order{.items = layers};
    if (!find(network, condition, 0)) return order;
    for (settled_.bind(find_.integer(0), damage_names[static_cast<std::size_t>(damage_)]); settled_.step();)
      order.pairs.emplace_back(settled_.integer(0), settled_.integer(1));
    return order;
  }

 private:
  bool find(std::int64_t network, const Condition& condition, int repetition) {
    return find_
        .bind(network, noise_names[static_cast<std::size_t>(condition.noise)],
              place_names[static_cast<std::size_t>(condition.place)], repetition)
        .step();
  }
  Statement find_, damages_, settled_;
  Damage damage_;
};

}  // namespace

std::vector<double> Units::scores(const std::vector<double>& by_layer) const {
  std::vector<double> scores(count, -std::numeric_limits<double>::infinity());
  for (std::size_t layer = 0; layer < by_layer.size(); ++layer) {
    double& score = scores[of_layer[layer]];
    if (std::isnan(score) || !std::isfinite(by_layer[layer]))
      score = std::numeric_limits<double>::quiet_NaN();
    else
      score = std::max(score, by_layer[layer]);
  }
  return scores;
}

PartialOrder Units::order(const PartialOrder& of_layers) const {
  std::vector<std::vector<std::size_t>> below(of_layer.size());  // by layer: how many layers of each unit it is above
  for (auto& counts : below) counts.resize(count);
  std::vector<std::size_t> sizes(count);
  for (const std::size_t unit : of_layer) ++sizes[unit];
  for (const auto& [a, b] : of_layers.pairs) ++below[static_cast<std::size_t>(a)][of_layer[static_cast<std::size_t>(b)]];
  std::set<std::pair<int, int>> pairs;
  for (std::size_t layer = 0; layer < of_layer.size(); ++layer)
    for (std::size_t unit = 0; unit < count; ++unit)
      if (unit != of_layer[layer] && below[layer][unit] == sizes[unit])
        pairs.emplace(static_cast<int>(of_layer[layer]), static_cast<int>(unit));
  return {count, {pairs.begin(), pairs.end()}};
}

std::vector<Case> read_cases(Database& database, Damage damage, bool blocks) {
  require_tables(database);
  const Recipe recipe = recipe_of(database);
  LayerReader layers(database, blocks);
  MeasurementReader measurements(database, damage);
  std::vector<Case> cases;
  for (const Specimen& specimen : used_specimens(database, recipe)) {
    const Units units = layers.read(specimen.id());
    if (units.count < 2) continue;  // nothing to order
    for (const Condition& condition : conditions(recipe, specimen.family)) {
      Case one{.network = specimen.id(), .family = specimen.family, .condition = condition, .units = units};
      one.truth = units.scores(measurements.damages(one.network, condition, 0));
      one.again = units.scores(measurements.damages(one.network, condition, 1));
      one.order = units.order(measurements.order(one.network, condition, units.of_layer.size()));
      cases.push_back(std::move(one));
    }
  }
  std::ranges::stable_sort(cases, {},
                           [](const Case& one) { return std::tuple(one.family, one.condition.place, one.condition.noise); });
  return cases;
}

ScoreReader::ScoreReader(Database& database)
    : rows_(database.prepare("SELECT value FROM score WHERE network = ? AND ranker = ? ORDER BY layer")) {}

std::vector<double> ScoreReader::read(const Case& of, std::int64_t ranker) {
  std::vector<double> scores;
  for (rows_.bind(of.network, ranker); rows_.step();) scores.push_back(rows_.real(0));
  return scores.empty() ? scores : of.units.scores(scores);
}

}  // namespace safer
