#include "criteria/testbed/database/recipe.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/random.h"
#include "models/data/moons.h"

namespace safer {
namespace {

constexpr std::string_view format = "3";              // of the tables, and of what the numbers in them mean
constexpr std::int64_t pool = std::int64_t{1} << 16;  // points that draws are taken from: so many that none is seen often
constexpr std::int64_t family_stride = 1'000'000;     // of ids
constexpr std::uint64_t largest_seed = (std::uint64_t{1} << 53) - 1;  // exact wherever numbers are doubles

template <class T>
T parse(const Settings& settings, const std::string& name, const std::string& file) {
  const auto found = settings.find(name);
  T value{};
  if (found == settings.end()) throw Error("{}: setting '{}' is missing; this is no testbed of this version", file, name);
  const char* const end = found->second.data() + found->second.size();
  const auto [stop, error] = std::from_chars(found->second.data(), end, value);
  if (error != std::errc() || stop != end) throw Error("{}: setting '{}' is '{}', expected a number", file, name, found->second);
  return value;
}

/// The parts between commas.
std::vector<std::string> parts(std::string_view text) {
  std::vector<std::string> all;
  while (!text.empty()) {
    all.emplace_back(text.substr(0, text.find(',')));
    text.remove_prefix(std::min(text.size(), all.back().size() + 1));
  }
  return all;
}

std::string text_of(const std::vector<Noise>& noises) {
  std::vector<std::string_view> names;
  for (const Noise noise : noises) names.push_back(noise_names[static_cast<std::size_t>(noise)]);
  return fmt::format("{}", fmt::join(names, ","));
}

std::vector<Noise> noises_of(const std::string& text, const std::string& file) {
  std::vector<Noise> noises;
  for (const std::string& name : parts(text)) {
    const auto found = std::ranges::find(noise_names, name);
    if (found == noise_names.end())
      throw Error("{}: setting 'noises' is '{}', expected names from {}", file, text, fmt::join(noise_names, ", "));
    noises.push_back(static_cast<Noise>(found - noise_names.begin()));
  }
  return noises;
}

}  // namespace

Settings settings_of(const Recipe& recipe) {
  Settings settings = {{"format", std::string(format)},
                       {"kernels", std::string(kernels::active().name)},
                       {"seed", std::to_string(recipe.seed)},
                       {"levels", fmt::format("{}", fmt::join(recipe.levels, ","))},
                       {"first draws", std::to_string(recipe.first_draws)},
                       {"most draws", std::to_string(recipe.most_draws)},
                       {"points", std::to_string(recipe.points)},
                       {"rank head", std::to_string(int{recipe.rank_head})},
                       {"all places", std::to_string(int{recipe.all_places})}};
  if (recipe.noises != Recipe{}.noises) settings["noises"] = text_of(recipe.noises);
  if (recipe.samples != Recipe{}.samples) settings["samples"] = std::to_string(recipe.samples);
  return settings;
}

Recipe recipe_of(Database& database) {
  const Settings settings = read_settings(database);
  const std::string& file = database.file();
  Recipe recipe{.seed = parse<std::uint64_t>(settings, "seed", file),
                .levels = {},
                .first_draws = parse<int>(settings, "first draws", file),
                .most_draws = parse<int>(settings, "most draws", file),
                .points = parse<std::int64_t>(settings, "points", file),
                .rank_head = parse<int>(settings, "rank head", file) != 0,
                .all_places = parse<int>(settings, "all places", file) != 0};
  if (const auto levels = settings.find("levels"); levels != settings.end())
    for (const std::string& level : parts(levels->second))
      recipe.levels.push_back(parse<double>({{"levels", level}}, "levels", file));
  if (const auto noises = settings.find("noises"); noises != settings.end()) recipe.noises = noises_of(noises->second, file);
  if (settings.contains("samples")) recipe.samples = parse<std::int64_t>(settings, "samples", file);
  return recipe;
}

std::int64_t Specimen::id() const { return static_cast<std::int64_t>(family) * family_stride + number + 1; }

Specimen specimen(const Recipe& recipe, MoonsFamily family, std::int64_t number) {
  const std::string_view name = moons_names[static_cast<std::size_t>(family)];
  Random random(mix(mix(recipe.seed, hash(name)), static_cast<std::uint64_t>(number)));
  const auto uniform = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least + 1)));
  };
  Specimen made{.family = family, .number = number};
  made.options.family = family;
  made.options.depth = uniform(2, 6);
  const std::int64_t multiple = family == MoonsFamily::transformer ? moons_heads : 1;
  const std::int64_t widths = family == MoonsFamily::vanilla ? made.options.depth : 1;
  for (std::int64_t i = 0; i < widths; ++i) made.options.widths.push_back(multiple * uniform(8 / multiple, 128 / multiple));
  made.options.seed = random.bits() & largest_seed;
  made.data_seed = random.bits() & largest_seed;
  return made;
}

std::vector<Condition> conditions(const Recipe& recipe, MoonsFamily family) {
  std::vector<Condition> all;
  for (const Place place : {Place::weights, Place::activations})
    if (place == Place::weights || family == MoonsFamily::vanilla || recipe.all_places)
      for (const Noise noise : recipe.noises) all.push_back({noise, place});
  return all;
}

MeasureOptions measure_options(const Recipe& recipe, const Specimen& specimen, const Condition& condition, int repetition) {
  const bool costly = specimen.family == MoonsFamily::transformer;
  const int most_draws = costly ? std::max(2, recipe.most_draws / 16) : recipe.most_draws;
  return {.sweep = {.noise = condition.noise, .place = condition.place, .levels = recipe.levels},
          .points = costly ? std::max<std::int64_t>(1, recipe.points / 2) : recipe.points,
          .first_draws = std::min(recipe.first_draws, most_draws),
          .most_draws = most_draws,
          .seed = mix(mix(recipe.seed, static_cast<std::uint64_t>(specimen.id())), static_cast<std::uint64_t>(repetition)),
          .rank_head = recipe.rank_head};
}

Dataset measurement_data(const Specimen& specimen, int repetition) {
  return make_moons(pool, data_noise, mix(specimen.data_seed, static_cast<std::uint64_t>(repetition)), Split::test);
}

Dataset calibration_data(const Recipe& recipe, const Specimen& specimen) {
  return make_moons(recipe.samples, data_noise, specimen.data_seed, Split::calibration);
}

std::string block_of(std::string_view layer) {
  constexpr std::string_view blocks = "blocks.";
  if (!layer.starts_with(blocks)) return std::string(layer);
  return std::string(layer.substr(0, layer.find('.', blocks.size())));
}

}  // namespace safer
