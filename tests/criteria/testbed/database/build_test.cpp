#include "criteria/testbed/database/build.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "criteria/testbed/database/score.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/moons_spec.h"
#include "models/training.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

#ifdef SAFER_SANITIZED
const std::vector<MoonsFamily> families = {MoonsFamily::skip_sd};
#else
const std::vector<MoonsFamily> families = {MoonsFamily::vanilla, MoonsFamily::skip, MoonsFamily::skip_sd};
#endif

/// So few draws that a network takes a moment.
BuildOptions quick(std::int64_t networks) {
  return {.recipe = {.levels = {0.2, 0.6}, .first_draws = 4, .most_draws = 8}, .families = families, .networks = networks};
}

const ScoreOptions one_preset = {.presets = {"recommended"}};

std::uint64_t built_and_scored(const std::filesystem::path& path, std::int64_t networks) {
  Database database(path, Database::Access::create);
  build(database, quick(networks));
  score(database, one_preset);
  return digest(database);
}

}  // namespace

TEST_CASE("testbed: the same content for any number of threads, and in one go or several") {
  const TemporaryFolder folder;
  const int before = available_threads();
  set_threads(1);
  const std::uint64_t one = built_and_scored(folder / "one.sqlite", 2);
  set_threads(2);
  CHECK(built_and_scored(folder / "two.sqlite", 2) == one);
  set_threads(before);
  built_and_scored(folder / "steps.sqlite", 1);
  CHECK(built_and_scored(folder / "steps.sqlite", 2) == one);

  Database database(folder / "one.sqlite", Database::Access::write);
  const BuildResult again = build(database, quick(2));
  CHECK(again.made == 0);
  CHECK(again.there == 2 * std::ssize(families));
  CHECK(score(database, one_preset).scored == 0);
  CHECK(digest(database) == one);
}

TEST_CASE("testbed: what stands in the file is what training and measuring give") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  BuildOptions options = quick(1);
  options.families = {MoonsFamily::skip};
  std::int64_t reported = 0;
  options.progress = [&](std::int64_t done, std::int64_t total) { reported = done * 100 + total; };
  CHECK(build(database, options).made == 1);
  CHECK(reported == 101);

  const Specimen one = specimen(options.recipe, MoonsFamily::skip, 0);
  Network network = untrained_moons(one.options);
  train(network, make_moons(2000, 0.1, one.data_seed), {.seed = one.options.seed});
  const Network read = read_network(database, one);
  REQUIRE(read.parameters.size() == network.parameters.size());
  for (int id = 0; id < network.parameters.size(); ++id)
    CHECK(std::ranges::equal(read.parameters[id].values<float>(), network.parameters[id].values<float>()));

  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const Condition condition{Noise::impulse, Place::weights};
    const Measurement found =
        measure(network, measurement_data(one, repetition), measure_options(options.recipe, one, condition, repetition));
    Statement rows = database.prepare(
        "SELECT probabilities, probabilities_error, draws FROM damage JOIN measurement ON id = measurement"
        " WHERE network = ? AND noise = 'impulse' AND place = 'weights' AND repetition = ? ORDER BY layer");
    rows.bind(one.id(), repetition);
    for (const LayerDamage& layer : found.layers) {
      REQUIRE(rows.step());
      CHECK(rows.real(0) == layer.mean[1].mean);
      CHECK(rows.real(1) == layer.mean[1].error);
      CHECK(rows.integer(2) == layer.draws);
    }
    CHECK_FALSE(rows.step());
  }
}

TEST_CASE("testbed: another recipe is refused with the difference named") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  build(database, quick(0));
  BuildOptions other = quick(1);
  other.recipe.seed = 3;
  CHECK_THROWS_WITH_AS(build(database, other),
                       (database.file() + ": made with other settings: seed is 0, not 3. Give these, or another file").c_str(),
                       Error);
}

TEST_CASE("testbed: an exception ends the work on all threads and reaches the caller") {
  std::atomic<int> done = 0;
  CHECK_THROWS_WITH_AS(each_in_parallel(1000,
                                        [&](std::int64_t i) {
                                          if (i == 3) throw Error("task {}", i);
                                          // The others of a second's work must still be there when the exception is noticed.
                                          std::this_thread::sleep_for(std::chrono::milliseconds(1));
                                          ++done;
                                        }),
                       "task 3", Error);
  CHECK(done < 999);
  done = 0;
  each_in_parallel(100, [&](std::int64_t) { ++done; });
  CHECK(done == 100);
}
