#include "tools/command.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/temporary_folder.h"
#include "tests/tools/run_safer.h"

using safer::commands::commands;

TEST_CASE("safer: alone it explains itself and is wrong usage") {
  const Outcome outcome = run_safer({});
  CHECK(outcome.status == 2);
  CHECK(outcome.out.empty());
  for (const auto& command : commands) CHECK(contains(outcome.log, std::string(command.name)));
}

TEST_CASE("safer: help and version are answers") {
  for (const char* word : {"--help", "-h", "help"}) {
    const Outcome outcome = run_safer({word});
    CHECK(outcome.status == 0);
    CHECK(outcome.log.empty());
    for (const auto& command : commands) CHECK(contains(outcome.out, std::string(command.summary)));
  }
  CHECK(run_safer({"--version"}).out.starts_with("safer 0."));
}

TEST_CASE("safer: an unknown command names the choices and the nearest one") {
  const Outcome near = run_safer({"rnak"});
  CHECK(near.status == 2);
  CHECK(near.out.empty());
  CHECK(near.log ==
        "safer: unknown command 'rnak'; did you mean rank? choose one of: rank, measure, info, run, train, evaluate, testbed; see "
        "'safer --help'\n");
  CHECK_FALSE(contains(run_safer({"frobnicate"}).log, "did you mean"));
  CHECK(run_safer({"--json"}).status == 2);
}

TEST_CASE("every command: help on standard output, whatever else is on the line") {
  for (const auto& command : commands) {
    CAPTURE(command.name);
    const Outcome outcome = run_safer({std::string(command.name), "--help", "--threads", "none"});
    CHECK(outcome.status == 0);
    CHECK(outcome.log.empty());
    for (const char* part : {"Usage", "--threads", "--json", "--csv", "--quiet"}) CHECK(contains(outcome.out, part));
    if (command.name == "testbed") continue;  // makes its own models and data
    for (const char* part : {"MODEL is a file ending in .onnx, or one of moons-vanilla", "DATA is one of"})
      CHECK(contains(outcome.out, part));
  }
}

TEST_CASE("every command: wrong usage is status 2, one line, and says where help is") {
  const std::vector<std::vector<std::string>> wrong = {{"--nonsense"},       {"--threads", "0"},    {"--threads", "-1"},
                                                       {"--threads", "two"}, {"--json", "--csv"},   {"a", "b"},
                                                       {"--data"},           {"--data", "--quiet"}, {"--weights", "--csv"}};
  for (const auto& command : commands)
    for (std::vector<std::string> words : wrong) {
      words.insert(words.begin(), std::string(command.name));
      const Outcome outcome = run_safer(words);
      CAPTURE(outcome.log);
      CHECK(outcome.status == 2);
      CHECK(outcome.out.empty());
      CHECK(outcome.log.starts_with("safer " + words.front() + ": "));
      CHECK(outcome.log.ends_with("; see 'safer " + words.front() + " --help'\n"));
      CHECK(std::count(outcome.log.begin(), outcome.log.end(), '\n') == 1);
    }
}

TEST_CASE("every command with a model: what cannot be done is status 1 and one line that says why") {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> impossible = {
      {{"no-such-model"}, "no-such-model"},
      {{"moons-vanilla:depth=none"}, "depth"},
      {{"network.onnx"}, "onnx"},
      {{"moons-vanilla", "--weights", (folder / "missing.safetensors").string()}, "missing.safetensors"},
  };
  for (const auto& command : commands)
    for (auto [words, part] : impossible) {
      if (command.name == "testbed") continue;
      words.insert(words.begin(), std::string(command.name));
      if (command.name == "measure") words.insert(words.end(), {"--noise", "zero"});
      if (command.name != "info") words.insert(words.end(), {"--data", "moons"});
      if (command.name == "run" || command.name == "train") words.insert(words.end(), {"--out", out});
      const Outcome outcome = run_safer(words);
      CAPTURE(outcome.log);
      CHECK(outcome.status == 1);
      CHECK(outcome.out.empty());
      CHECK(contains(outcome.log, part));
      CHECK(outcome.log.starts_with("safer " + words.front() + ": "));
      CHECK(std::count(outcome.log.begin(), outcome.log.end(), '\n') == 1);
    }
  CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("every command that reads data: what is wrong with it") {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"nowhere", "choose one of: moons"},
      {"moons:n=0", "0"},
      {"moons:points=3", "points"},
      {"npy:" + (folder / "missing.npy").string(), "missing.npy"},
      {"cifar10:" + folder.path().string(), folder.path().string()},
  };
  for (const std::string command : {"rank", "measure", "run", "train", "evaluate"})
    for (const auto& [data, part] : bad) {
      std::vector<std::string> words = {command, "moons-vanilla", "--data", data};
      if (command == "measure") words.insert(words.end(), {"--noise", "zero"});
      if (command == "run" || command == "train") words.insert(words.end(), {"--out", (folder / "out").string()});
      const Outcome outcome = run_safer(words);
      CAPTURE(outcome.log);
      CHECK(outcome.status == 1);
      CHECK(outcome.out.empty());
      CHECK(contains(outcome.log, part));
    }
}

TEST_CASE("a result that cannot be written is status 1") {
  std::ostringstream log;
  std::ostream broken(nullptr);
  const char* args[] = {"--version"};
  CHECK(safer::commands::safer(args, broken, log) == 1);
  CHECK(log.str() == "safer: the result could not be written to standard output\n");
}
