#include <algorithm>
#include <filesystem>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "criteria/rank_layers.h"
#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "engine/ops/target.h"
#include "models/batch_norm_folding.h"
#include "models/data/data_spec.h"
#include "models/evaluation.h"
#include "models/formats/safetensors.h"
#include "models/model_spec.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/progress.h"
#include "tools/ranking_cost.h"
#include "tools/ranking_output.h"

namespace safer::commands {
namespace {

constexpr std::string_view default_data = "moons";
constexpr std::int64_t most_repeats = 1'000'000;

constexpr Option options[] = {
    weights_option,
    {"data", "DATA", "calibration samples (see below)", default_data},
    {"preset", "recommended|paper", "decides what the next options leave open", "recommended"},
    {"criterion", "NAME[,NAME]|all", "how a weight's relevance is measured"},
    {"reduction", "NAME[,NAME]|all", "how a layer's relevances become its score"},
    {"target", "NAME", "the function of the outputs whose gradients are read"},
    {"path", "layer|joint", "for criteria that move weights or mask neurons: one layer at a time or all at once", "layer"},
    {"steps", "T", "of paths from the weights to 0 (default: 32 for ig and idgi, 50 for gig)"},
    {"draws", "N", "of noise, for smoothgrad and vargrad (default: 25)"},
    {"noise", "X", "its standard deviation, in units of a layer's range of weights (default: 0.05)"},
    {"masks", "N", "of neurons, for hsic (default: 256 a layer)"},
    {"samples", "N", "number of calibration samples", "256"},
    {"seed", "S", "of the choice of samples, of noise and masks, and of the intervals", "0"},
    {"fold-bn", "", "fold batch norms into the weights before them"},
    {"relevance-out", "FILE.safetensors", "write the relevance of every weight, for one criterion"},
};
/// What the names may be, beside MODEL and DATA.
std::string help() {
  std::string text = input_help() + "\nCriteria:";
  for (const Criterion* criterion : criteria()) text += fmt::format(" {}", criterion->name);
  text += "\nReductions:";
  for (const Reduction& reduction : reductions()) text += fmt::format(" {}", reduction.name);
  return text + fmt::format("\nTargets: {}\n", fmt::join(target_names, " "));
}

constexpr Usage usage = {"rank", "Ranks the layers of a network: 1 is the most important.", "[MODEL]", options, help};

bool several(const std::vector<std::string>& names) { return names.size() > 1 || (names.size() == 1 && names.front() == "all"); }

RankOptions rank_options(const Arguments& given) {
  RankOptions chosen;
  chosen.path = given.text("path");
  if (chosen.path != "layer" && chosen.path != "joint")
    throw UsageError("--path: found '{}', expected layer or joint", chosen.path);
  const auto count = [&given](const char* option, int least, int otherwise) {
    return given.has(option) ? static_cast<int>(given.integer(option, least, most_repeats)) : otherwise;
  };
  chosen.steps = count("steps", 1, chosen.steps);
  chosen.draws = count("draws", 2, chosen.draws);
  chosen.masks = count("masks", 2, chosen.masks);
  if (given.has("noise")) chosen.noise = given.number("noise", 0, std::numeric_limits<float>::max());
  chosen.preset = given.text("preset");
  chosen.criteria = given.list("criterion");
  chosen.reductions = given.list("reduction");
  chosen.target = given.text("target");
  require_known({chosen.preset}, find_preset);
  const std::vector<std::string> all = {"all"};
  if (chosen.criteria != all) require_known(chosen.criteria, find_criterion);
  if (chosen.reductions != all) require_known(chosen.reductions, find_reduction);
  if (given.has("target")) require_known({chosen.target}, find_target);
  chosen.seed = static_cast<std::uint64_t>(given.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  chosen.keep_relevance = given.has("relevance-out");
  if (chosen.keep_relevance && several(chosen.criteria)) throw UsageError("--relevance-out is for one --criterion");
  return chosen;
}

void write_relevance(const std::filesystem::path& path, const RankResult& result) {
  std::vector<NamedTensor> tensors;
  for (const Relevance& relevance : result.relevance) tensors.push_back({relevance.name, relevance.values});
  const RankReport& used = result.reports.front();
  std::map<std::string, std::string> metadata = {{"model", used.model},
                                                 {"preset", used.preset},
                                                 {"criterion", used.criterion},
                                                 {"target", used.target},
                                                 {"samples", std::to_string(used.samples)},
                                                 {"seed", std::to_string(used.seed)}};
  for (const auto& [name, value] : settings(used)) metadata[name] = value;
  write_safetensors(path, tensors, metadata);
}

/// Where the network and its data come from, in words.
std::string description(const Arguments& given, const Network& network, bool folded) {
  const std::string data = given.text("data");
  const auto model = network.metadata.find("model");
  std::string text = "model " + (model == network.metadata.end() ? network.name : model->second);
  if (folded) text += ", batch norms folded";
  if (given.has("weights")) return fmt::format("{}, weights {}\ndata {}\n", text, given.text("weights"), data);
  if (!trains_itself(network.name)) return fmt::format("{}\ndata {}\n", text, data);
  const Evaluation test = safer::evaluate(network, load_data(default_data, Split::test));
  return fmt::format("{}, trained on the spot to {:.2f} % accuracy on test data\ndata {}\n", text, 100 * test.accuracy, data);
}

void print(std::ostream& out, const std::string& description, const std::vector<RankReport>& reports) {
  out << description;
  for (const RankReport& report : reports) {
    if (&report != &reports.front()) out << '\n';
    print_ranking(out, report);
  }
}

Json documents(const std::vector<RankReport>& reports) {
  if (reports.size() == 1) return ranking_json(reports.front());
  Json all = Json::array();
  for (const RankReport& report : reports) all.push_back(ranking_json(report));
  return all;
}

/// What was asked for and could not have an effect.
void print_remarks(std::ostream& log, const Arguments& given, std::int64_t wanted, std::int64_t samples,
                   const std::vector<RankReport>& reports, bool folded) {
  if (samples < wanted) log << fmt::format("safer rank: the data has {} samples, fewer than {}: all are used\n", samples, wanted);
  const std::pair<const char*, bool (*)(const RankReport&)> read_by_some[] = {
      {"path", [](const RankReport& report) { return !report.path.empty(); }},
      {"steps", [](const RankReport& report) { return report.steps > 0; }},
      {"draws", [](const RankReport& report) { return report.draws > 0; }},
      {"noise", [](const RankReport& report) { return report.draws > 0; }},
      {"masks", [](const RankReport& report) { return report.masks > 0; }},
  };
  for (const auto& [option, reads] : read_by_some)
    if (given.has(option) && std::ranges::none_of(reports, reads))
      log << fmt::format("safer rank: --{} has no effect: no criterion that was asked for reads it\n", option);
  if (given.has("fold-bn") && !folded)
    log << "safer rank: --fold-bn has no effect: no batch norm stands behind a weight of its own\n";
}

}  // namespace

int rank(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  RankOptions chosen = rank_options(given);
  const std::int64_t samples = given.integer("samples", 1, std::numeric_limits<std::int64_t>::max());
  check_data_argument(given);

  Network network = load_network(given, common, log);
  const int found_nodes = network.tape.size();
  if (given.has("fold-bn")) network = fold_batch_norms(network);
  const bool folded = network.tape.size() < found_nodes;
  const Dataset calibration = load_dataset(given, network, Split::calibration, {samples, chosen.seed});
  chosen.labels = calibration.labels;
  if (count_passes(network, chosen).forward > 0) check_inputs(network, calibration.inputs, calibration.name);
  if (!common.quiet) log << cost_remark(network, chosen, calibration.size(), pass_seconds(network, calibration, chosen));
  RankResult result;
  {
    Progress progress(log, common.progress, "ranking");
    chosen.progress = [&](std::int64_t done, std::int64_t total) { progress(done, total); };
    result = rank_layers(network, calibration.inputs, chosen);
  }
  if (!common.quiet) print_remarks(log, given, samples, calibration.size(), result.reports, folded);
  if (chosen.keep_relevance) write_relevance(given.text("relevance-out"), result);
  if (common.format == Format::json)
    print_json(out, documents(result.reports));
  else if (common.format == Format::csv)
    print_rankings_csv(out, result.reports);
  else
    print(out, description(given, network, folded), result.reports);
  return 0;
}

}  // namespace safer::commands
