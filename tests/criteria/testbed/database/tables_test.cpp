#include "criteria/testbed/database/tables.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "criteria/testbed/database/score.h"
#include "engine/error.h"
#include "tests/criteria/numbers.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

using Scores = std::vector<double>;

/// A testbed whose numbers are written by hand: vanilla networks of some layers, with the same damage under each condition.
class HandMade {
 public:
  HandMade() : database_(folder_ / "a.sqlite", Database::Access::create) {
    create_tables(database_);
    agree_on_settings(database_, settings_of({}));
  }
  /// `settled`: pairs of layers, for all kinds of damage.
  void add_network(const Scores& damages, const std::vector<std::pair<int, int>>& settled,
                   const std::vector<std::string>& blocks = {}) {
    const std::int64_t id = specimen({}, MoonsFamily::vanilla, networks_).id();
    database_.prepare("INSERT INTO network VALUES(?, 'moons-vanilla', ?, '', 0, 1, 1)").run(id, networks_++);
    for (std::size_t i = 0; i < damages.size(); ++i)
      database_.prepare("INSERT INTO layer VALUES(?, ?, ?, ?, ?)")
          .run(id, i, "layer" + std::to_string(i), blocks.empty() ? "layer" + std::to_string(i) : blocks[i], 100);
    for (const Condition& condition : conditions({}, MoonsFamily::vanilla))
      for (int repetition = 0; repetition < repetitions; ++repetition) add_measurement(id, condition, repetition, damages, settled);
    last_ = id;
  }
  /// Scores of the network added last.
  void add_scores(const std::string& criterion, const Scores& scores) {
    const RankerName name{"paper", criterion, "linf", "", ""};
    if (find_ranker(database_, name) < 0)
      database_.prepare("INSERT INTO ranker(preset, criterion, reduction, noise, place) VALUES('paper', ?, 'linf', '', '')")
          .run(criterion);
    for (std::size_t i = 0; i < scores.size(); ++i)
      database_.prepare("INSERT INTO score VALUES(?, ?, ?, ?)").run(last_, find_ranker(database_, name), i, scores[i]);
  }
  Table1 table(bool blocks = false) { return table1(database_, {.preset = "paper", .reduction = "linf", .blocks = blocks}); }
  Cell average(const std::string& criterion, bool blocks = false) {
    const Table1 made = table(blocks);
    const auto found = std::ranges::find(made.columns, criterion, &Column::criterion);
    REQUIRE(found != made.columns.end());
    return made.average[static_cast<std::size_t>(found - made.columns.begin())];
  }
  Database& database() { return database_; }

 private:
  void add_measurement(std::int64_t network, const Condition& condition, int repetition, const Scores& damages,
                       const std::vector<std::pair<int, int>>& settled) {
    const std::int64_t id = ++measurements_;
    database_.prepare("INSERT INTO measurement VALUES(?, ?, ?, ?, ?, 1)")
        .run(id, network, noise_names[static_cast<std::size_t>(condition.noise)],
             place_names[static_cast<std::size_t>(condition.place)], repetition);
    for (std::size_t i = 0; i < damages.size(); ++i)
      database_.prepare("INSERT INTO damage VALUES(?, ?, 8, ?, 0, ?, 0, ?, 0)").run(id, i, damages[i], damages[i], damages[i]);
    for (const std::string_view kind : damage_names)
      for (const auto& [above, below] : settled)
        database_.prepare("INSERT INTO settled VALUES(?, ?, ?, ?)").run(id, kind, above, below);
  }

  TemporaryFolder folder_;
  Database database_;
  std::int64_t networks_ = 0, measurements_ = 0, last_ = 0;
};

}  // namespace

TEST_CASE("tables: shares by hand") {
  HandMade testbed;
  testbed.add_network({3, 2, 1}, {{0, 1}, {0, 2}});
  testbed.add_scores("right", {30, 20, 10});
  testbed.add_scores("half", {30, 10, 20});  // wrong where the measurement left it open
  testbed.add_scores("wrong", {1, 2, 3});
  testbed.add_network({1, 2, 3}, {{2, 0}});
  testbed.add_scores("right", {1, 2, 3});
  testbed.add_scores("half", {3, 2, 1});
  testbed.add_scores("wrong", {3, 2, 1});
  const Cell right = testbed.average("right"), half = testbed.average("half"), wrong = testbed.average("wrong");
  CHECK(right.exact.mean == 1);
  CHECK(right.settled.mean == 1);
  CHECK(right.tau_b.mean == 1);
  CHECK(half.exact.mean == 0);
  CHECK(half.settled.mean == 0.5);
  CHECK(half.tau_b.mean == doctest::Approx((1.0 / 3 - 1) / 2));
  CHECK(half.pairwise.mean == doctest::Approx((2.0 / 3 + 0) / 2));
  CHECK(wrong.tau_b.mean == -1);
  CHECK(testbed.average("ceiling").exact.mean == 1);
  CHECK(testbed.average("depth").exact.mean == 0.5);
  CHECK(testbed.average("depth-reverse").exact.mean == 0.5);
  CHECK(testbed.average("best-order").exact.mean == 1);
  CHECK(testbed.table().rows.size() == 6);
  CHECK(testbed.table().rows[0].open_pairs == doctest::Approx((1.0 / 3 + 2.0 / 3) / 2));
  const std::vector<std::string> failing = testbed.table().no_better_than_random();
  CHECK(std::ranges::count(failing, "wrong") == 1);
  CHECK(std::ranges::count(failing, "right") == 0);
}

TEST_CASE("tables: a constant score earns nothing, not even from the order in which layers stand") {
  HandMade testbed;
  testbed.add_network({3, 2, 1}, {{0, 1}, {1, 2}, {0, 2}});
  testbed.add_scores("constant", {7, 7, 7});
  testbed.add_network({1, 2, 3}, {{2, 1}, {1, 0}, {2, 0}});
  testbed.add_scores("constant", {7, 7, 7});
  for (const char* name : {"constant", "parameters"}) {  // the layers have equally many weights
    const Cell constant = testbed.average(name);
    CHECK(constant.exact.mean == 0);
    CHECK(constant.settled.mean == 0);
    CHECK(constant.tau_b.mean == 0);
    CHECK(constant.pairwise.mean == 0.5);
    CHECK(constant.tied.mean == 1);
  }
}

TEST_CASE("tables: scores that are not numbers make no order look good") {
  HandMade testbed;
  testbed.add_network({3, 2, 1}, {{0, 1}, {1, 2}, {0, 2}});
  testbed.add_scores("last", {30, 20, test::nan});  // ranked last, where it belongs
  testbed.add_scores("all", {test::nan, test::nan, test::nan});
  testbed.add_scores("infinite", {INFINITY, 20, 10});
  for (const char* name : {"last", "all", "infinite"}) {
    const Cell cell = testbed.average(name);
    CHECK(cell.networks == 6);
    CHECK(cell.exact.mean == 0);
    CHECK(cell.settled.mean == 0);
    CHECK(cell.tau_b.mean < 0);
    CHECK(cell.pairwise.mean < 0.5);
  }
}

TEST_CASE("tables: damage that is not a number makes no order look good, and is counted") {
  HandMade testbed;
  testbed.add_network({3, test::nan, 1}, {{0, 2}});
  testbed.add_scores("any", {30, 20, 10});
  testbed.add_network({test::nan, test::nan, test::nan}, {});
  testbed.add_scores("any", {test::nan, test::nan, test::nan});
  const Table1 table = testbed.table();
  CHECK(table.rows[0].unmeasurable == 2);
  for (const Cell& cell : table.average) {
    if (cell.networks == 0) continue;  // no replays here
    CHECK(cell.networks == 12);
    CHECK(cell.exact.mean == 0);
    CHECK(cell.settled.mean == 0);
    CHECK(cell.tau_b.mean == -1);
    CHECK(cell.pairwise.mean == 0);
  }
}

TEST_CASE("tables: a block is as important as its most important layer") {
  HandMade testbed;
  // Blocks A: layers 0, 1; B: 2, 3. Settled: layer 1 above both of B.
  testbed.add_network({1, 9, 5, 4}, {{1, 2}, {1, 3}, {2, 0}}, {"A", "A", "B", "B"});
  testbed.add_scores("blocks right", {2, 3, 1, 2.5});
  testbed.add_scores("blocks wrong", {2, 3, 1, 4});
  testbed.add_scores("one NaN", {test::nan, 3, 1, 2});
  CHECK(testbed.average("blocks right", true).exact.mean == 1);
  CHECK(testbed.average("blocks right", true).settled.mean == 1);
  CHECK(testbed.average("blocks right", false).exact.mean == 0);
  CHECK(testbed.average("blocks wrong", true).exact.mean == 0);
  CHECK(testbed.average("blocks wrong", true).settled.mean == 0);
  CHECK(testbed.average("one NaN", true).tau_b.mean == -1);
  CHECK(testbed.table(true).rows[0].open_pairs == 0);
}

TEST_CASE("tables: reductions are averaged over criteria") {
  HandMade testbed;
  testbed.add_network({3, 2, 1}, {{0, 1}});
  testbed.add_scores("right", {30, 20, 10});
  testbed.add_scores("wrong", {1, 2, 3});
  const Table2 table = table2(testbed.database(), {.preset = "paper"});
  REQUIRE(table.lines.size() == 1);  // the only reduction that has scores
  CHECK(table.lines[0].reduction == "linf");
  CHECK(table.lines[0].average.exact.mean == 0.5);
  CHECK(table.lines[0].average.tau_b.mean == 0);
}

TEST_CASE("tables: errors") {
  HandMade empty;
  CHECK_THROWS_WITH_AS(empty.table(), (empty.database().file() + ": no measured networks; 'safer testbed build' adds some").c_str(),
                       Error);
  CHECK_THROWS_AS(table1(empty.database(), {.preset = "none"}), Error);
}
