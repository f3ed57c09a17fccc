#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "criteria/testbed/database/schema.h"
#include "engine/random.h"
#include "tests/temporary_folder.h"
#include "tests/tools/run_safer.h"

using nlohmann::json;
using safer::Database;
using safer::digest;

namespace {

#ifdef SAFER_SANITIZED
constexpr int networks = 2, usual_kills = 1;
const std::vector<std::string> killed_families = {"--families", "skip-sd"};
#else
constexpr int networks = 5, usual_kills = 4;
const std::vector<std::string> killed_families = {};  // the usual ones
#endif

std::vector<std::string> build(const std::string& file, std::vector<std::string> more = {}) {
  std::vector<std::string> words = {"testbed", "build", file, "--draws", "8", "--levels", "0.2,0.6", "--networks", "2", "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

json run_json(const std::vector<std::string>& words) {
  const Outcome outcome = run_safer(words);
  CAPTURE(outcome.log);
  REQUIRE(outcome.status == 0);
  return json::parse(outcome.out);
}

/// Starts the program itself, in a process of its own.
pid_t start(std::vector<std::string> words) {
  words.insert(words.begin(), SAFER_PROGRAM);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
  pid_t child = -1;
  REQUIRE(posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  return child;
}

/// Whether the process was killed after `milliseconds`; false when it had ended by itself before.
bool kill_after(pid_t child, int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

}  // namespace

TEST_CASE("testbed: build, score and print some networks") {
  const TemporaryFolder folder;
  const std::string file = (folder / "a.sqlite").string();
  const json built = run_json({"testbed", "build", file, "--draws", "16", "--levels", "0.2,0.6", "--networks",
                               std::to_string(networks), "--families", "vanilla", "--json"});
  CHECK(built.at("made") == networks);
  CHECK(built.at("digest").get<std::string>().size() == 16);
  CHECK(run_json({"testbed", "score", file, "--json"}).at("scored") == networks);

  const json table = run_json({"testbed", "table", file, "--json"});
  CHECK(table.at("preset") == "paper");
  CHECK(table.at("reduction") == "linf");
  REQUIRE(table.at("rows").size() == 6);
  std::vector<std::string> names;
  for (const json& cell : table.at("average")) names.push_back(cell.at("criterion"));
  for (const char* name : {"weight", "weight-x-gradient", "random", "depth", "depth-reverse", "parameters", "best-order", "linear",
                           "reparametrised", "monte-carlo", "ceiling"}) {
    CAPTURE(name);
    CHECK(std::ranges::count(names, name) == 1);
  }
  for (const json& row : table.at("rows"))
    for (const json& cell : row.at("cells")) {
      const bool of_weights_alone = cell.at("criterion") == "linear" || cell.at("criterion") == "reparametrised";
      CHECK(cell.at("networks") == (of_weights_alone && row.at("on") == "activations" ? 0 : networks));
    }

  const Outcome text = run_safer({"testbed", "table", file, "--preset", "recommended", "--reduction", "l1"});
  for (const char* part : {"Table 1: preset recommended, reduction l1", "Exactly right orders", "Kendall's tau-b", "moons-vanilla",
                           "impulse", "activations", "ceiling", "average"}) {
    CAPTURE(part);
    CHECK(contains(text.out, part));
  }
  const Outcome reductions = run_safer({"testbed", "table", file, "--table", "2", "--csv"});
  CHECK(std::ranges::count(reductions.out, '\n') == 1 + 10);
  CHECK(run_json({"testbed", "table", file, "--table", "2", "--json"}).at("reductions").size() == 10);
  const Outcome csv = run_safer({"testbed", "table", file, "--csv"});
  CHECK(std::ranges::count(csv.out, '\n') == 1 + 6 * std::ssize(names));
  CHECK(contains(csv.out, ",linear,,1,0,0,nan,nan,"));  // on activations there is no formula
  CHECK_FALSE(contains(csv.out, "-nan"));
}

TEST_CASE("testbed: transformers by matrix and by block") {
  const TemporaryFolder folder;
  const std::string file = (folder / "a.sqlite").string();
  run_json({"testbed", "build", file, "--draws", "4", "--networks", "1", "--families", "transformer", "--json"});
  for (const std::vector<std::string>& unit : {std::vector<std::string>{}, {"--blocks"}}) {
    std::vector<std::string> words = {"testbed", "table", file, "--json"};
    words.insert(words.end(), unit.begin(), unit.end());
    const json table = run_json(words);
    CHECK(table.at("blocks") == !unit.empty());
    CHECK(table.at("rows").size() == 3);
  }
}

TEST_CASE("testbed: the published sample has the content that docs/testbed-results.md names, and prints its tables") {
  const std::string file = SAFER_SOURCE_DIR "/docs/sample.sqlite";
  {
    Database database(file, Database::Access::read);
    CHECK(digest(database) == 0x5e6437580d4d164c);
  }
  for (const char* preset : {"paper", "recommended"}) {
    const json rows = run_json({"testbed", "table", file, "--preset", preset, "--json"}).at("rows");
    REQUIRE(rows.size() == 15);
    for (const json& row : rows) {
      const bool transformers = row.at("family") == "moons-transformer";
      for (const json& cell : row.at("cells")) {
        const bool of_weights_alone = cell.at("criterion") == "linear" || cell.at("criterion") == "reparametrised";
        CHECK(cell.at("networks") == (of_weights_alone && row.at("on") == "activations" ? 0 : transformers ? 2 : 6));
      }
    }
  }
}

TEST_CASE("testbed: rounding is measured on request") {
  const TemporaryFolder folder;
  const std::string usual = (folder / "a.sqlite").string(), rounded = (folder / "b.sqlite").string();
  const json built = run_json(build(usual, {"--families", "skip"}));
  CHECK(run_json(build(usual, {"--families", "skip", "--noises", "impulse,zero,gaussian"})).at("digest") == built.at("digest"));
  CHECK(run_json(build(rounded, {"--families", "skip", "--noises", "zero,rounding"})).at("made") == 2);
  run_json({"testbed", "score", rounded, "--json"});

  const json table = run_json({"testbed", "table", rounded, "--json"});
  REQUIRE(table.at("rows").size() == 2);
  CHECK(table.at("rows")[0].at("noise") == "zero");
  CHECK(table.at("rows")[1].at("noise") == "rounding");
  for (const json& row : table.at("rows"))
    for (const json& cell : row.at("cells")) {
      CAPTURE(cell.at("criterion"));
      CHECK(cell.at("networks") == 2);
    }

  const Outcome other = run_safer(build(rounded));
  CHECK(other.status == 1);
  CHECK(contains(other.log, "noises is zero,rounding, not the default"));
  const Outcome more = run_safer(build(usual, {"--noises", "all"}));
  CHECK(more.status == 1);
  CHECK(contains(more.log, "noises is the default, not zero,gaussian,impulse,rounding"));
}

TEST_CASE("testbed: the number of samples changes scores that samples enter, and nothing else") {
  const TemporaryFolder folder;
  const std::string usual = (folder / "a.sqlite").string(), few = (folder / "b.sqlite").string();
  const std::vector<std::string> skip = {"--families", "skip"};
  run_json(build(usual, skip));
  run_json(build(few, {"--families", "skip", "--samples", "16"}));
  for (const std::string& file : {usual, few}) run_json({"testbed", "score", file, "--presets", "recommended", "--json"});

  const auto numbers = [](const std::string& file, const std::string& sql) {
    Database database(file, Database::Access::read);
    safer::Statement row = database.prepare(sql);
    std::vector<double> all;
    while (row.step()) all.push_back(row.real(0));
    REQUIRE_FALSE(all.empty());
    return all;
  };
  const auto scores = [&](const std::string& file, const std::string& criterion) {
    return numbers(file, "SELECT value FROM score JOIN ranker ON ranker = id WHERE criterion = '" + criterion +
                             "' ORDER BY network, ranker, layer");
  };
  CHECK(numbers(usual, "SELECT logits FROM damage") == numbers(few, "SELECT logits FROM damage"));
  CHECK(scores(usual, "weight") == scores(few, "weight"));
  CHECK(scores(usual, "gradient") != scores(few, "gradient"));
  CHECK(scores(usual, "linear") != scores(few, "linear"));
  const Outcome other = run_safer(build(few, skip));
  CHECK(other.status == 1);
  CHECK(contains(other.log, "samples is 16, not the default"));
}

TEST_CASE("testbed: killed at any moment and started again, it ends with the content of an uninterrupted run") {
  const TemporaryFolder folder;
  const std::string whole = (folder / "whole.sqlite").string(), killed = (folder / "killed.sqlite").string();
  run_safer(build(whole, killed_families));
  const json expected = run_json({"testbed", "score", whole, "--json"});

  // SAFER_KILLS: how often. An uninterrupted run of both takes some hundreds of milliseconds.
  const char* const wanted = std::getenv("SAFER_KILLS");
  const int kills = wanted ? std::atoi(wanted) : usual_kills;
  safer::Random random(static_cast<std::uint64_t>(kills));
  int hit = 0;
  for (int i = 0; i < kills; ++i) {
    const int wait = 10 + static_cast<int>(random.below(300));
    CAPTURE(wait);
    hit +=
        kill_after(start(i % 3 < 2 ? build(killed, killed_families) : std::vector<std::string>{"testbed", "score", killed}), wait);
  }
  MESSAGE(hit << " of " << kills << " runs were killed before they had ended");
  run_safer(build(killed, killed_families));
  CHECK(run_json({"testbed", "score", killed, "--json"}).at("digest") == expected.at("digest"));
}

TEST_CASE("testbed: a second process on the same file says so") {
  const TemporaryFolder folder;
  const std::string file = (folder / "a.sqlite").string();
  const std::vector<std::string> long_build = {"testbed", "build", file, "--networks", "1000", "--quiet"};
  pid_t first = start(long_build);
  Outcome second;
  for (int attempt = 0; attempt < 200 && !contains(second.log, "another process"); ++attempt) {  // until the first one has the file
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
    if (waitpid(first, nullptr, WNOHANG) == first) first = start(long_build);  // the second one had the file before it had
    if (std::filesystem::exists(file)) second = run_safer({"testbed", "score", file});
  }
  CHECK(kill_after(first, 0));
  CHECK(second.status == 1);
  CHECK(contains(second.log, "another process is writing it"));
}

TEST_CASE("testbed: other settings on the same file are refused with the difference named") {
  const TemporaryFolder folder;
  const std::string file = (folder / "a.sqlite").string();
  run_json(build(file, {"--families", "skip"}));
  const Outcome other = run_safer(build(file, {"--seed", "4", "--rank-head"}));
  CHECK(other.status == 1);
  CHECK(contains(other.log, "rank head is 0, not 1"));
  CHECK(contains(other.log, "seed is 0, not 4"));
  CHECK_FALSE(contains(other.log, "SAFER_ISA"));

  Database(file, Database::Access::write).execute("UPDATE setting SET value = 'another' WHERE name = 'kernels'");
  const Outcome kernels = run_safer({"testbed", "score", file});
  CHECK(kernels.status == 1);
  CHECK(contains(kernels.log, "kernels is another, not "));
  CHECK(contains(kernels.log, "SAFER_ISA=another"));

  Database(file, Database::Access::write).execute("UPDATE setting SET value = '0' WHERE name = 'format'");
  const Outcome format = run_safer({"testbed", "score", file});
  CHECK(format.status == 1);
  CHECK(contains(format.log, "format is 0, not "));
  CHECK(contains(format.log, "another version of safer"));
}

TEST_CASE("testbed: wrong usage and missing files") {
  const TemporaryFolder folder;
  const std::string none = (folder / "none.sqlite").string();
  CHECK(run_safer({"testbed"}).status == 2);
  CHECK(run_safer({"testbed", "destroy", none}).status == 2);
  CHECK(run_safer({"testbed", "build"}).status == 2);
  CHECK(run_safer({"testbed", "build", none, "--families", "round"}).status == 2);
  CHECK(run_safer({"testbed", "build", none, "--families", "skip,skip"}).status == 2);
  CHECK(run_safer({"testbed", "build", none, "--noises", "zero,salt"}).status == 2);
  CHECK(run_safer({"testbed", "build", none, "--noises", "zero,zero"}).status == 2);
  CHECK(run_safer({"testbed", "build", none, "--networks", "0"}).status == 2);
  CHECK(run_safer({"testbed", "score", none, "--presets", "best"}).status == 2);
  CHECK(run_safer({"testbed", "table", none, "--table", "3"}).status == 2);
  CHECK(run_safer({"testbed", "table", none, "--damage", "loss"}).status == 2);
  CHECK_FALSE(std::filesystem::exists(none));
  for (const char* action : {"score", "table"}) {
    const Outcome missing = run_safer({"testbed", action, none});
    CHECK(missing.status == 1);
    CHECK(contains(missing.log, "there is no such file"));
    CHECK_FALSE(std::filesystem::exists(none));
  }
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--help"}, {"build", "--help"}, {"score", "--help"}, {"table", "--help"}}) {
    std::vector<std::string> line = words;
    line.insert(line.begin(), "testbed");
    CHECK(run_safer(line).status == 0);
  }
}
