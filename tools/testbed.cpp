#include <algorithm>
#include <array>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "criteria/testbed/database/score.h"
#include "criteria/testbed/database/tables.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"
#include "tools/testbed_output.h"

namespace safer::commands {
namespace {

constexpr Option build_options[] = {
    {"networks", "N", "of each family; more of them later continue the file", "100"},
    {"families", "NAME[,NAME]|all", "vanilla, skip, skip-sd, transformer", "vanilla,skip,skip-sd"},
    {"seed", "S", "of networks, data and noise", "0"},
    {"noises", "NAME[,NAME]|all", "zero, gaussian, impulse, rounding; the first three are the paper's", "zero,gaussian,impulse"},
    {"levels", "L[,L]", "of noise", "0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9"},
    {"draws", "N", "at most so many of each layer and level; fewer where neighbours are settled, a sixteenth for transformers",
     "1024"},
    {"points", "N", "of a draw; half for transformers", "16"},
    {"samples", "N", "that layers are scored from, unlabelled", "256"},
    {"rank-head", "", "measure and rank the last layer too"},
    {"all-places", "", "noise on activations for all families, not only vanilla"},
};
constexpr Option score_options[] = {
    {"presets", "NAME[,NAME]", "of the criteria", "paper,recommended"},
};
constexpr Option table_options[] = {
    {"table", "1|2", "1: criteria by family and noise; 2: reductions", "1"},
    {"preset", "recommended|paper", "of the criteria", "paper"},
    {"reduction", "NAME", "of Table 1 (default: the preset's)"},
    {"damage", "logits|probabilities|accuracy", "that is the truth", "probabilities"},
    {"blocks", "", "rank whole blocks of transformers, not single matrices"},
};
constexpr Usage build_usage = {"testbed build", "Trains networks and measures which of their layers matter.", "FILE.sqlite",
                               build_options};
constexpr Usage score_usage = {"testbed score", "Scores the layers of all networks by all criteria and reductions.", "FILE.sqlite",
                               score_options};
constexpr Usage table_usage = {"testbed table", "How well criteria and reductions find the measured order.", "FILE.sqlite",
                               table_options};

constexpr std::string_view moons_prefix = "moons-";

/// The rows of `names` that the option lists. Throws UsageError for others and for repetitions.
template <class Enum, std::size_t n>
std::vector<Enum> choices(const Arguments& given, std::string_view option, const std::array<std::string_view, n>& names) {
  std::vector<Enum> chosen;
  const std::vector<std::string> wanted = given.list(option), all = {"all"};
  for (std::size_t i = 0; i < n; ++i)
    if (wanted == all || std::ranges::count(wanted, names[i]) > 0) chosen.push_back(static_cast<Enum>(i));
  if (wanted != all && chosen.size() != wanted.size())
    throw UsageError("--{}: found '{}', expected names from {}, each once, or all", option, given.text(option),
                     fmt::join(names, ", "));
  return chosen;
}

std::vector<MoonsFamily> families(const Arguments& given) {
  auto names = moons_names;
  for (std::string_view& name : names) name.remove_prefix(moons_prefix.size());
  return choices<MoonsFamily>(given, "families", names);
}

Recipe recipe(const Arguments& given) {
  Recipe recipe;
  recipe.seed = static_cast<std::uint64_t>(given.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  recipe.levels = given.numbers("levels", 0, 1);
  recipe.noises = choices<Noise>(given, "noises", noise_names);
  recipe.most_draws = static_cast<int>(given.integer("draws", 2, 1'000'000));
  recipe.first_draws = std::min(recipe.first_draws, recipe.most_draws);
  recipe.points = given.integer("points", 1, 10'000);
  recipe.samples = given.integer("samples", 1, 10'000);
  recipe.rank_head = given.has("rank-head");
  recipe.all_places = given.has("all-places");
  return recipe;
}

/// Figures by name, in the format that was asked for.
void print_figures(std::ostream& out, Format format, const Json& figures) {
  if (format == Format::json) return print_json(out, figures);
  std::vector<Table::Column> columns;
  std::vector<std::string> cells;
  for (const auto& [name, value] : figures.items()) {
    columns.push_back({name});
    cells.push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  Table table(columns);
  table.add(std::move(cells));
  format == Format::csv ? table.print_csv(out) : table.print(out);
}

std::string digest_text(Database& database) { return fmt::format("{:016x}", digest(database)); }

int build(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(build_usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  BuildOptions options{.recipe = recipe(given), .families = families(given), .networks = given.integer("networks", 1, 999'999)};
  Database database(given.positional(), Database::Access::create);
  BuildResult result;
  {
    Progress progress(log, common.progress, "building");
    options.progress = [&](std::int64_t done, std::int64_t total) { progress(done, total); };
    result = safer::build(database, options);
  }
  print_figures(out, common.format,
                {{"file", database.file()},
                 {"made", result.made},
                 {"there", result.there},
                 {"unused", result.unused},
                 {"digest", digest_text(database)}});
  return 0;
}

int score(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(score_usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  ScoreOptions options{.presets = given.list("presets")};
  require_known(options.presets, find_preset);
  Database database(given.positional(), Database::Access::write);
  ScoreResult result;
  {
    Progress progress(log, common.progress, "scoring");
    options.progress = [&](std::int64_t done, std::int64_t total) { progress(done, total); };
    result = safer::score(database, options);
  }
  print_figures(
      out, common.format,
      {{"file", database.file()}, {"scored", result.scored}, {"complete", result.complete}, {"digest", digest_text(database)}});
  return 0;
}

TableOptions chosen_table(const Arguments& given) {
  TableOptions options{.preset = given.text("preset"), .reduction = given.text("reduction"), .blocks = given.has("blocks")};
  require_known({options.preset}, find_preset);
  if (given.has("reduction")) require_known({options.reduction}, find_reduction);
  const auto damage = std::ranges::find(damage_names, given.text("damage"));
  if (damage == damage_names.end())
    throw UsageError("--damage: found '{}', expected one of {}", given.text("damage"), fmt::join(damage_names, ", "));
  options.damage = static_cast<Damage>(damage - damage_names.begin());
  return options;
}

void print(std::ostream& out, Format format, const Table1& table, const TableReport& report) {
  if (format == Format::json) return print_json(out, table1_json(table, report));
  format == Format::csv ? print_table1_csv(out, table) : print_table1(out, table, report);
}

void print(std::ostream& out, Format format, const Table2& table, const TableReport& report) {
  if (format == Format::json) return print_json(out, table2_json(table, report));
  format == Format::csv ? print_table2_csv(out, table) : print_table2(out, table, report);
}

int table(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(table_usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  const std::int64_t number = given.integer("table", 1, 2);
  TableReport report{.options = chosen_table(given), .reduction = given.text("reduction"), .seed = {}};
  if (report.reduction.empty()) report.reduction = find_preset(report.options.preset).reduction;
  Database database(given.positional(), Database::Access::read);
  require_tables(database);
  report.seed = read_settings(database)["seed"];
  if (number == 1)
    print(out, common.format, table1(database, report.options), report);
  else
    print(out, common.format, table2(database, report.options), report);
  return 0;
}

struct Action {
  std::string_view name;
  Function* function;
};
constexpr Action actions[] = {{"build", build}, {"score", score}, {"table", table}};

}  // namespace

int testbed(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const std::string_view name = args.empty() ? std::string_view() : args.front();
  for (const Action& action : actions)
    if (action.name == name) return action.function(args.subspan(1), out, log);
  if (name != "--help") throw UsageError("expected an action, build, score or table, found '{}'", name);
  const std::array<const char*, 1> help = {"--help"};
  for (const Action& action : actions) {
    if (&action != actions) out << '\n';
    action.function(help, out, log);
  }
  return 0;
}

}  // namespace safer::commands
