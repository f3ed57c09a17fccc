#include "criteria/testbed/measure.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "engine/ops/target.h"
#include "models/evaluation.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/measure_output.h"
#include "tools/progress.h"

namespace safer::commands {
namespace {

constexpr Option options[] = {
    weights_option,
    data_option,
    {"noise", "zero|gaussian|impulse|rounding", "what is done to one layer at a time"},
    {"on", "weights|activations", "to what of it", "weights"},
    {"levels", "L[,L]", "fractions of the layer, or deviations or steps in units of its largest |weight|",
     "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"},
    {"whole-neurons", "", "zero whole neurons of weights (of activations it always does)"},
    {"unit-of-activity", "", "noise on activations in units of the largest |activation| instead"},
    {"draws", "N", "at most so many of each layer and level; fewer where neighbours are settled", "512"},
    {"points", "N", "of a draw; without it 32, or what a moderate memory holds"},
    {"ranked-by", "logits|probabilities|accuracy", "the damage that layers are ranked by", "probabilities"},
    {"confidence", "C", "that no pair of layers is called settled wrongly", "0.95"},
    {"preset", "recommended|paper", "of the criteria that the measured order is held against", "recommended"},
    {"criterion", "NAME[,NAME]|all|none", "which ones", "all"},
    {"reduction", "NAME[,NAME]|all", "how a layer's relevances become its score (default: the preset's)"},
    {"target", "NAME", "the function of the outputs whose gradients they read (default: the preset's)"},
    {"path", "layer|joint", "for those that move weights or mask neurons: one layer at a time or all at once", "layer"},
    {"samples", "N", "number of calibration samples that they read", "256"},
    {"seed", "S", "of noise and points, and of the choice of samples", "0"},
};

std::string help() {
  std::string text = input_help() + "\nCriteria:";
  for (const Criterion* criterion : criteria()) text += fmt::format(" {}", criterion->name);
  text += "\nReductions:";
  for (const Reduction& reduction : reductions()) text += fmt::format(" {}", reduction.name);
  return text + fmt::format("\nTargets: {}\n", fmt::join(target_names, " "));
}

constexpr Usage usage = {"measure", "Measures which layers matter, by what noise on each does to the outputs.", "MODEL", options,
                         help};

/// The row of `names` that the option says. Throws UsageError otherwise.
template <class Enum, std::size_t n>
Enum choice(const Arguments& given, std::string_view option, const std::array<std::string_view, n>& names) {
  const std::string text = given.text(option).empty() ? given.required(option) : given.text(option);
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) throw UsageError("--{}: found '{}', expected one of {}", option, text, fmt::join(names, ", "));
  return static_cast<Enum>(found - names.begin());
}

MeasureOptions measure_options(const Arguments& given) {
  MeasureOptions chosen;
  chosen.sweep.noise = choice<Noise>(given, "noise", noise_names);
  chosen.sweep.place = choice<Place>(given, "on", place_names);
  chosen.sweep.levels = given.numbers("levels", 0, 1);
  chosen.sweep.whole_neurons = given.has("whole-neurons");
  chosen.sweep.unit_of_activity = given.has("unit-of-activity");
  chosen.most_draws = static_cast<int>(given.integer("draws", 2, 1'000'000));
  chosen.first_draws = std::min(chosen.first_draws, chosen.most_draws);
  if (given.has("points")) chosen.points = given.integer("points", 1, 1'000'000);
  chosen.ranked_by = choice<Damage>(given, "ranked-by", damage_names);
  chosen.confidence = given.number("confidence", 0.5, 0.999999);
  chosen.seed = static_cast<std::uint64_t>(given.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  if (chosen.sweep.whole_neurons && chosen.sweep.noise != Noise::zero) throw UsageError("--whole-neurons is for --noise zero");
  if (chosen.sweep.unit_of_activity && chosen.sweep.place != Place::activations)
    throw UsageError("--unit-of-activity is for --on activations");
  return chosen;
}

RankOptions rank_options(const Arguments& given, const std::vector<std::string>& chosen) {
  RankOptions ranking;
  ranking.preset = given.text("preset");
  ranking.criteria = chosen;
  ranking.reductions = given.list("reduction");
  ranking.target = given.text("target");
  ranking.path = given.text("path");
  ranking.resamples = 0;
  if (ranking.path != "layer" && ranking.path != "joint")
    throw UsageError("--path: found '{}', expected layer or joint", ranking.path);
  const std::vector<std::string> all = {"all"};
  require_known({ranking.preset}, find_preset);
  if (ranking.criteria != all) require_known(ranking.criteria, find_criterion);
  if (ranking.reductions != all) require_known(ranking.reductions, find_reduction);
  if (given.has("target")) require_known({ranking.target}, find_target);
  return ranking;
}

}  // namespace

int measure(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  MeasureReport report{.options = measure_options(given)};
  const std::vector<std::string> names = given.list("criterion"), none = {"none"};
  RankOptions ranking = rank_options(given, names == none ? std::vector<std::string>{} : names);
  const std::int64_t samples = given.integer("samples", 1, std::numeric_limits<std::int64_t>::max());
  check_data_argument(given);

  const Network network = load_network(given, common, log);
  const Dataset test = load_dataset(given, network, Split::test);
  check_inputs(network, test.inputs, test.name);
  std::optional<Dataset> calibration;
  if (names != none) {
    calibration = load_dataset(given, network, Split::calibration, {samples, report.options.seed});
    ranking.labels = calibration->labels;
    count_passes(network, ranking);  // says now what would be wrong with it after a long measurement
  }
  report.model = network.name, report.data = given.text("data");
  {
    Progress progress(log, common.progress, "measuring");
    report.options.progress = [&](std::int64_t done, std::int64_t total) { progress(done, total); };
    report.measurement = safer::measure(network, test, report.options);
  }
  if (calibration) {
    Progress progress(log, common.progress, "ranking");
    ranking.progress = [&](std::int64_t done, std::int64_t total) { progress(done, total); };
    for (const RankReport& one : rank_layers(network, calibration->inputs, ranking).reports)
      report.comparisons.push_back(compare(one, report.measurement, report.options.ranked_by));
  }
  if (common.format == Format::json)
    print_json(out, measurement_json(report));
  else if (common.format == Format::csv)
    print_measurement_csv(out, report);
  else
    print_measurement(out, report);
  return 0;
}

}  // namespace safer::commands
