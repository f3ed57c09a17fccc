#include "criteria/testbed/database/score.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>

#include "criteria/rank_layers.h"
#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "criteria/testbed/linearised.h"
#include "criteria/testbed/reparametrised.h"
#include "engine/error.h"

namespace safer {
namespace {

/// One ranker's scores of one network.
struct RankerScores {
  RankerName ranker;
  std::vector<double> values;  // by layer
};

/// Scores by kind of damage; none for a kind that is not predicted.
using Predicted = std::array<std::vector<double>, damage_count>;

using Conditions = std::vector<Condition>;

/// A ranker that knows the noise.
struct NoiseAware {
  std::string_view name;
  bool (*applies)(const Condition&);
  std::vector<Predicted> (*predict)(const Network&, const Dataset& calibration, const Recipe&, const Specimen&, const Conditions&);
};

int draws_of(const Specimen& specimen, int draws) { return specimen.family == MoonsFamily::transformer ? draws / 4 : draws; }

std::vector<Predicted> replay(const Network& network, const Dataset& calibration, const Recipe& recipe, const Specimen& specimen,
                              const Conditions& conditions) {
  const Dataset unlabelled{calibration.name, calibration.inputs, {}, 0};
  std::vector<Predicted> all;
  for (const Condition& condition : conditions) {
    MeasureOptions options = measure_options(recipe, specimen, condition, repetitions);  // noise that no truth has seen
    options.points = calibration.size();
    options.first_draws = options.most_draws = draws_of(specimen, monte_carlo_draws);
    const Measurement found = measure(network, unlabelled, options);
    all.push_back({found.scores(Damage::logits), found.scores(Damage::probabilities), found.scores(Damage::accuracy)});
  }
  return all;
}

/// By kind of damage what is by layer.
Predicted by_kind(const std::vector<Damages>& layers) {
  Predicted predicted;
  for (const Damages& damages : layers)
    for (std::size_t kind = 0; kind < damage_count; ++kind) predicted[kind].push_back(damages[kind]);
  return predicted;
}

std::vector<Predicted> linearise(const Network& network, const Dataset& calibration, const Recipe& recipe, const Specimen& specimen,
                                 const Conditions& conditions) {
  std::vector<SeededNoise> noises;
  for (const Condition& condition : conditions)
    noises.push_back({condition.noise, measure_options(recipe, specimen, condition, repetitions).seed});
  std::vector<Predicted> all;
  for (const std::vector<Damages>& layers :
       linearised_damage(network, measured_layers(network, recipe.rank_head), calibration.inputs, noises, recipe.levels))
    all.push_back(by_kind(layers));
  return all;
}

std::vector<Predicted> reparametrise(const Network& network, const Dataset& calibration, const Recipe& recipe,
                                     const Specimen& specimen, const Conditions& conditions) {
  if (conditions.empty()) return {};
  std::vector<Noise> noises;
  for (const Condition& condition : conditions) noises.push_back(condition.noise);
  const std::uint64_t seed = measure_options(recipe, specimen, conditions.front(), repetitions).seed;  // the same for all of them
  std::vector<Predicted> all;
  for (const std::vector<Damages>& layers :
       reparametrised_damage(network, measured_layers(network, recipe.rank_head), calibration.inputs, noises, recipe.levels,
                             draws_of(specimen, reparametrised_draws), seed))
    all.push_back(by_kind(layers));
  return all;
}

bool on_weights(const Condition& condition) { return condition.place == Place::weights; }

constexpr NoiseAware noise_aware[] = {
    {monte_carlo, [](const Condition&) { return true; }, replay},
    {linear_formula, on_weights, linearise},
    {reparametrised, on_weights, reparametrise},
};

/// A noise-aware ranker under some conditions.
struct Prediction {
  const NoiseAware* ranker;
  Conditions conditions;
  RankerName name(const Condition& condition, std::size_t damage) const {
    return {"", std::string(ranker->name), std::string(damage_names[damage]),
            std::string(noise_names[static_cast<std::size_t>(condition.noise)]),
            std::string(place_names[static_cast<std::size_t>(condition.place)])};
  }
};

std::vector<Prediction> predictions(const Conditions& conditions) {
  std::vector<Prediction> all;
  for (const NoiseAware& ranker : noise_aware) {
    all.push_back({&ranker, {}});
    std::ranges::copy_if(conditions, std::back_inserter(all.back().conditions), ranker.applies);
  }
  return all;
}

/// What is missing of one network.
struct Task {
  Specimen specimen;
  std::vector<std::vector<std::string>> criteria;  // by preset
  std::vector<Prediction> predictions;
  bool empty() const {
    return std::ranges::all_of(predictions, [](const Prediction& one) { return one.conditions.empty(); }) &&
           std::ranges::all_of(criteria, [](const auto& names) { return names.empty(); });
  }
};

void insert_rankers(Database& database, const Recipe& recipe, const ScoreOptions& options) {
  Statement insert = database.prepare(
      "INSERT OR IGNORE INTO ranker(id, preset, criterion, reduction, noise, place)"
      " VALUES((SELECT coalesce(max(id), 0) + 1 FROM ranker), ?, ?, ?, ?, ?)");
  const auto add = [&](const RankerName& name) { insert.run(name.preset, name.criterion, name.reduction, name.noise, name.place); };
  Transaction transaction(database);
  for (const std::string& preset : options.presets)
    for (const Criterion* criterion : criteria())
      for (const Reduction& reduction : reductions())
        add({preset, std::string(criterion->name), std::string(reduction.name), "", ""});
  for (const Prediction& one : predictions(conditions(recipe, MoonsFamily::vanilla)))  // the family with all of them
    for (const Condition& condition : one.conditions)
      for (std::size_t damage = 0; damage < damage_count; ++damage) add(one.name(condition, damage));
  transaction.commit();
}

/// Whether a network has scores by a ranker.
class Finder {
 public:
  explicit Finder(Database& database)
      : database_(database), find_(database.prepare("SELECT 1 FROM score WHERE network = ? AND ranker = ? LIMIT 1")) {}
  bool has(std::int64_t network, const RankerName& name) { return find_.bind(network, find_ranker(database_, name)).step(); }

 private:
  Database& database_;
  Statement find_;
};

std::vector<Task> missing(Database& database, const Recipe& recipe, const ScoreOptions& options) {
  std::vector<Task> tasks;
  Finder finder(database);
  for (const Specimen& specimen : used_specimens(database, recipe)) {
    Task task{specimen, {}, {}};
    for (const std::string& preset : options.presets) {
      task.criteria.emplace_back();
      for (const Criterion* criterion : criteria())
        if (!finder.has(specimen.id(), {preset, std::string(criterion->name), std::string(reductions().front().name), "", ""}))
          task.criteria.back().emplace_back(criterion->name);
    }
    task.predictions = predictions(conditions(recipe, specimen.family));
    for (Prediction& one : task.predictions)
      std::erase_if(one.conditions, [&](const Condition& condition) { return finder.has(specimen.id(), one.name(condition, 0)); });
    tasks.push_back(std::move(task));
  }
  return tasks;
}

void rank_by_criteria(const Network& network, const Dataset& calibration, const Recipe& recipe, const Specimen& specimen,
                      const std::vector<std::string>& presets, const std::vector<std::string>& names,
                      std::vector<RankerScores>& out) {
  if (names.empty()) return;
  RankOptions options{.criteria = names, .reductions = {"all"}};
  options.path = specimen.family == MoonsFamily::transformer ? "joint" : "layer";  // what their many layers can afford
  options.rank_head = recipe.rank_head;
  options.resamples = 0;
  for (const RankResult& result : rank_layers(network, calibration.inputs, options, presets))
    for (const RankReport& report : result.reports) {
      RankerScores scores{{report.preset, report.criterion, report.reduction, "", ""}, {}};
      for (const RankedLayer& layer : report.layers) scores.values.push_back(layer.score);
      out.push_back(std::move(scores));
    }
}

/// The presets of which a task misses the same criteria, by these.
std::map<std::vector<std::string>, std::vector<std::string>> presets_by_criteria(const Task& task, const ScoreOptions& options) {
  std::map<std::vector<std::string>, std::vector<std::string>> presets;
  for (std::size_t preset = 0; preset < options.presets.size(); ++preset)
    presets[task.criteria[preset]].push_back(options.presets[preset]);
  return presets;
}

std::vector<RankerScores> all_scores(const Network& network, const Recipe& recipe, const ScoreOptions& options, const Task& task) {
  const Dataset calibration = calibration_data(recipe, task.specimen);
  std::vector<RankerScores> all;
  for (const auto& [criteria, presets] : presets_by_criteria(task, options))
    rank_by_criteria(network, calibration, recipe, task.specimen, presets, criteria, all);
  for (const Prediction& one : task.predictions) {
    std::vector<Predicted> predicted = one.ranker->predict(network, calibration, recipe, task.specimen, one.conditions);
    for (std::size_t i = 0; i < predicted.size(); ++i)
      for (std::size_t damage = 0; damage < damage_count; ++damage)
        if (!predicted[i][damage].empty()) all.push_back({one.name(one.conditions[i], damage), std::move(predicted[i][damage])});
  }
  return all;
}

void write(Database& database, std::int64_t network, const std::vector<RankerScores>& all) {
  Transaction transaction(database);
  Statement insert = database.prepare("INSERT INTO score VALUES(?, ?, ?, ?)");
  for (const RankerScores& scores : all) {
    const std::int64_t ranker = find_ranker(database, scores.ranker);
    for (std::size_t layer = 0; layer < scores.values.size(); ++layer) insert.run(network, ranker, layer, scores.values[layer]);
  }
  transaction.commit();
}

}  // namespace

std::int64_t find_ranker(Database& database, const RankerName& name) {
  Statement find =
      database.prepare("SELECT id FROM ranker WHERE preset = ? AND criterion = ? AND reduction = ? AND noise = ? AND place = ?");
  return find.bind(name.preset, name.criterion, name.reduction, name.noise, name.place).step() ? find.integer(0) : -1;
}

std::vector<Specimen> used_specimens(Database& database, const Recipe& recipe) {
  std::vector<Specimen> specimens;
  Statement rows = database.prepare("SELECT family, number, id FROM network WHERE used ORDER BY id");
  for (rows.bind(); rows.step();) {
    const auto family = std::ranges::find(moons_names, rows.text(0));
    if (family == moons_names.end())
      throw Error("{}: network {}: unknown family '{}'", database.file(), rows.integer(2), rows.text(0));
    specimens.push_back(specimen(recipe, static_cast<MoonsFamily>(family - moons_names.begin()), rows.integer(1)));
  }
  return specimens;
}

ScoreResult score(Database& database, const ScoreOptions& options) {
  require_tables(database);
  const Recipe recipe = recipe_of(database);
  agree_on_settings(database, settings_of(recipe));  // other kernels round differently
  insert_rankers(database, recipe, options);
  std::vector<Task> tasks = missing(database, recipe, options);
  ScoreResult result;
  result.complete = static_cast<std::int64_t>(std::erase_if(tasks, [](const Task& task) { return task.empty(); }));
  std::mutex mutex;
  each_in_parallel(std::ssize(tasks), [&](std::int64_t i) {
    const Task& task = tasks[static_cast<std::size_t>(i)];
    std::optional<Network> network;
    {
      const std::lock_guard lock(mutex);
      network = read_network(database, task.specimen);
    }
    const std::vector<RankerScores> scores = all_scores(*network, recipe, options, task);
    const std::lock_guard lock(mutex);
    write(database, task.specimen.id(), scores);
    ++result.scored;
    if (options.progress) options.progress(result.scored, std::ssize(tasks));
  });
  return result;
}

}  // namespace safer
