#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "models/data/data_spec.h"
#include "models/formats/npy.h"
#include "tests/temporary_folder.h"
#include "tests/tools/run_safer.h"

using nlohmann::json;

// Training, evaluation and running fit together: what one writes, the next one reads.

TEST_CASE("train, evaluate, run: a network's way through files") {
  const TemporaryFolder folder;
  const std::string weights = (folder / "w.safetensors").string(), outputs = (folder / "y.npy").string();
  const Outcome trained = run_safer({"train", "moons-vanilla:depth=2,width=16", "--data", "moons", "--out", weights, "--json"});
  CAPTURE(trained.log);
  REQUIRE(trained.status == 0);
  const json training = json::parse(trained.out);
  CHECK(training.at("losses").size() == 6);
  CHECK(training.at("losses").back().get<double>() < training.at("losses").front().get<double>());
  CHECK(training.at("training_accuracy").get<double>() > 0.97);

  const Outcome evaluated = run_safer({"evaluate", "moons-vanilla", "--weights", weights, "--data", "moons", "--json"});
  REQUIRE(evaluated.status == 0);
  const json evaluation = json::parse(evaluated.out);
  CHECK(evaluation.at("samples") == 1000);
  CHECK(evaluation.at("accuracy").get<double>() > 0.97);
  CHECK(evaluation.at("accuracy").get<double>() == doctest::Approx(evaluation.at("correct").get<double>() / 1000));

  const Outcome ran = run_safer({"run", "moons-vanilla", "--weights", weights, "--data", "moons", "--out", outputs, "--json"});
  REQUIRE(ran.status == 0);
  CHECK(json::parse(ran.out).at("shape") == json({1000, 2}));
  const safer::Tensor logits = safer::read_npy(outputs);
  const std::vector<std::int64_t> labels = safer::load_data("moons", safer::Split::test).labels;
  int right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto z = logits.values<float>().subspan(2 * i, 2);
    right += (z[1] > z[0]) == (labels[i] == 1);
  }
  CHECK(right == evaluation.at("correct").get<int>());
}

TEST_CASE("train: epochs, batch, rate, seed and first weights are as asked") {
  const TemporaryFolder folder;
  const std::string first = (folder / "1.safetensors").string(), second = (folder / "2.safetensors").string();
  const std::vector<std::string> common = {"--data", "moons:n=100",     "--epochs", "2",     "--batch",
                                           "7",      "--learning-rate", "0.003",    "--json"};
  const auto train = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "train");
    words.insert(words.end(), common.begin(), common.end());
    const Outcome outcome = run_safer(words);
    CAPTURE(outcome.log);
    REQUIRE(outcome.status == 0);
    return json::parse(outcome.out);
  };
  const json once = train({"moons-skip", "--seed", "4", "--out", first});
  CHECK(once.at("epochs") == 2);
  CHECK(once.at("batch") == 7);
  CHECK(once.at("learning_rate") == 0.003);
  CHECK(once.at("seed") == 4);
  CHECK(once.at("losses").size() == 2);
  CHECK(train({"moons-skip", "--seed", "4", "--out", first}).at("losses") == once.at("losses"));
  CHECK(train({"moons-skip", "--seed", "5", "--out", second}).at("losses") != once.at("losses"));
  const json onwards = train({"moons-skip", "--weights", first, "--out", second});
  CHECK(onwards.at("losses")[0].get<double>() < once.at("losses")[0].get<double>());
}

TEST_CASE("train, evaluate, run: text and comma-separated values") {
  const TemporaryFolder folder;
  const std::string weights = (folder / "w.safetensors").string(), outputs = (folder / "y.npy").string();
  const Outcome text = run_safer({"train", "moons-vanilla", "--data", "moons:n=100", "--out", weights});
  CHECK(contains(text.out, "epoch"));
  CHECK(contains(text.out, weights));
  CHECK(contains(run_safer({"evaluate", "moons-vanilla", "--weights", weights, "--data", "moons"}).out, "accuracy"));
  CHECK(contains(run_safer({"run", "moons-vanilla", "--weights", weights, "--data", "moons", "--out", outputs}).out, outputs));
  CHECK(
      run_safer({"train", "moons-vanilla", "--data", "moons:n=100", "--out", weights, "--csv"}).out.starts_with("epoch,loss\n1,"));
  CHECK(run_safer({"evaluate", "moons-vanilla", "--data", "moons", "--csv"})
            .out.starts_with("model,data,samples,correct,accuracy,cross_entropy\nmoons-vanilla,"));
  CHECK(run_safer({"run", "moons-vanilla", "--data", "moons", "--out", outputs, "--csv"})
            .out.starts_with("model,data,outputs,shape\nmoons-vanilla,"));
}

TEST_CASE("train, evaluate, run: what is missing or out of range") {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"train", "--data", "moons", "--out", out}, "MODEL is missing"},
      {{"train", "moons-vanilla", "--out", out}, "--data is missing"},
      {{"train", "moons-vanilla", "--data", "moons"}, "--out is missing"},
      {{"run", "moons-vanilla", "--data", "moons"}, "--out is missing"},
      {{"evaluate", "moons-vanilla"}, "--data is missing"},
      {{"train", "moons-vanilla", "--data", "moons", "--out", out, "--epochs", "0"}, "--epochs"},
      {{"train", "moons-vanilla", "--data", "moons", "--out", out, "--batch", "0"}, "--batch"},
      {{"train", "moons-vanilla", "--data", "moons", "--out", out, "--learning-rate", "fast"}, "--learning-rate"},
      {{"train", "moons-vanilla", "--data", "moons", "--out", out, "--learning-rate", "-1"}, "--learning-rate"},
  };
  for (const auto& [words, part] : wrong) {
    const Outcome outcome = run_safer(words);
    CAPTURE(outcome.log);
    CHECK(outcome.status == 2);
    CHECK(contains(outcome.log, part));
  }
  CHECK_FALSE(std::filesystem::exists(out));
  const Outcome unwritable = run_safer({"run", "moons-vanilla", "--data", "moons", "--out", (folder / "no" / "y.npy").string()});
  CHECK(unwritable.status == 1);
  CHECK(contains(unwritable.log, "y.npy"));
}
