#include "criteria/testbed/database/recipe.h"

#include <doctest/doctest.h>

#include <set>

#include "engine/error.h"
#include "tests/temporary_folder.h"

using namespace safer;

TEST_CASE("recipe: networks have depths of 2 to 6 and widths of 8 to 128, all of them") {
  for (const MoonsFamily family : {MoonsFamily::vanilla, MoonsFamily::skip, MoonsFamily::skip_sd, MoonsFamily::transformer}) {
    std::set<std::int64_t> depths, widths, ids;
    for (std::int64_t number = 0; number < 2000; ++number) {
      const Specimen one = specimen({}, family, number);
      depths.insert(one.options.depth);
      widths.insert(one.options.widths.begin(), one.options.widths.end());
      ids.insert(one.id());
      REQUIRE(one.options.widths.size() == static_cast<std::size_t>(family == MoonsFamily::vanilla ? one.options.depth : 1));
    }
    CHECK(depths == std::set<std::int64_t>{2, 3, 4, 5, 6});
    CHECK(*widths.begin() == 8);
    CHECK(*widths.rbegin() == 128);
    CHECK(widths.size() == (family == MoonsFamily::transformer ? 31 : 121));
    CHECK(ids.size() == 2000);
  }
}

TEST_CASE("recipe: a network is a function of seed, family and number") {
  const Specimen one = specimen({}, MoonsFamily::skip, 7), same = specimen({.most_draws = 5}, MoonsFamily::skip, 7);
  CHECK(one.options == same.options);
  CHECK(one.data_seed == same.data_seed);
  CHECK_FALSE(one.options == specimen({.seed = 1}, MoonsFamily::skip, 7).options);
  CHECK_FALSE(one.options == specimen({}, MoonsFamily::skip, 8).options);
  const auto first = [](const Dataset& data) { return data.inputs.values<float>()[0]; };
  CHECK(first(measurement_data(one, 0)) != first(measurement_data(one, 1)));
  CHECK(first(measurement_data(one, 0)) != first(calibration_data({}, one)));
  CHECK(calibration_data({.samples = 11}, one).size() == 11);
}

TEST_CASE("recipe: settings say all of it, and can be read back") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  create_tables(database);
  const Recipe recipe{.seed = 18'000'000'000'000'000'000u,
                      .levels = {0.01, 0.25, 1.0 / 3},
                      .noises = {Noise::gaussian, Noise::rounding},
                      .first_draws = 4,
                      .most_draws = 9,
                      .points = 7,
                      .samples = 11,
                      .rank_head = true,
                      .all_places = true};
  agree_on_settings(database, settings_of(recipe));
  const Recipe read = recipe_of(database);
  CHECK(settings_of(read) == settings_of(recipe));
  CHECK(read.levels == recipe.levels);
  CHECK(read.noises == recipe.noises);
  CHECK(conditions(recipe, MoonsFamily::skip).size() == 4);
  CHECK(conditions({}, MoonsFamily::skip).size() == 3);
  CHECK(conditions({}, MoonsFamily::vanilla).size() == 6);
}

TEST_CASE("recipe: the usual noises and samples are no setting, so that files from before there were others agree") {
  CHECK_FALSE(settings_of({}).contains("noises"));
  CHECK_FALSE(settings_of({}).contains("samples"));
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  create_tables(database);
  agree_on_settings(database, settings_of({}));
  CHECK(recipe_of(database).noises == std::vector{Noise::zero, Noise::gaussian, Noise::impulse});
  CHECK(recipe_of(database).samples == 256);
  CHECK_THROWS_WITH_AS(
      agree_on_settings(database, settings_of({.noises = {Noise::rounding}})),
      (database.file() + ": made with other settings: noises is the default, not rounding. Give these, or another file").c_str(),
      Error);
  CHECK_THROWS_WITH_AS(
      agree_on_settings(database, settings_of({.samples = 11})),
      (database.file() + ": made with other settings: samples is the default, not 11. Give these, or another file").c_str(), Error);
  database.execute("INSERT INTO setting VALUES('noises', 'zero,salt')");
  CHECK_THROWS_WITH_AS(
      recipe_of(database),
      (database.file() + ": setting 'noises' is 'zero,salt', expected names from zero, gaussian, impulse, rounding").c_str(),
      Error);
}

TEST_CASE("recipe: blocks") {
  CHECK(block_of("blocks.12.attention.q.weight") == "blocks.12");
  CHECK(block_of("layers.1.weight") == "layers.1.weight");
}
