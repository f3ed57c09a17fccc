#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <limits>
#include <set>

#include "models/formats/npy.h"
#include "models/formats/safetensors.h"
#include "tests/temporary_folder.h"
#include "tests/tools/run_safer.h"

using nlohmann::json;
using safer::Tensor;

namespace {

std::string write_inputs(const std::filesystem::path& path, const safer::Shape& shape, float last) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) / 4 - 0.5f;
  if (!values.empty()) values.back() = last;
  safer::write_npy(path, Tensor::of<float>(shape, values));
  return "npy:" + path.string();
}

json rank_json(std::vector<std::string> words) {
  words.insert(words.begin(), "rank");
  words.push_back("--json");
  const Outcome outcome = run_safer(words);
  CAPTURE(outcome.log);
  REQUIRE(outcome.status == 0);
  return json::parse(outcome.out);
}

}  // namespace

TEST_CASE("rank: without arguments it trains the built-in network and says what was used") {
  const Outcome outcome = run_safer({"rank"});
  CHECK(outcome.status == 0);
  CHECK(outcome.log.empty());
  for (const char* part : {"moons-vanilla", "trained on the spot", "data moons", "preset recommended", "criterion perturbation",
                           "reduction ", "target outputs", "256 samples", "seed 0", "layers.0.weight", "head.weight", "####"}) {
    CAPTURE(part);
    CHECK(contains(outcome.out, part));
  }
}

TEST_CASE("rank: one JSON document with the fields that programs rely on") {
  const json document = rank_json({"--criterion", "weight-x-gradient"});
  std::set<std::string> fields;
  for (const auto& [field, value] : document.items()) fields.insert(field);
  CHECK(fields == std::set<std::string>{"model", "preset", "criterion", "reduction", "target", "samples", "seed", "layers"});
  CHECK(document.at("model") == "moons-vanilla");
  CHECK(document.at("samples") == 256);
  REQUIRE(document.at("layers").size() == 5);
  std::set<int> ranks;
  for (const json& layer : document.at("layers")) {
    CAPTURE(layer.dump());
    CHECK(layer.size() == 10);
    CHECK(layer.at("op") == "linear");
    const double score = layer.at("score"), low = layer.at("score_low"), high = layer.at("score_high");
    CHECK(low <= high);
    CHECK(score > 0);
    CHECK(layer.at("weights").get<int>() == layer.at("shape")[0].get<int>() * layer.at("shape")[1].get<int>());
    CHECK(layer.at("rank_low").get<int>() <= layer.at("rank").get<int>());
    CHECK(layer.at("rank").get<int>() <= layer.at("rank_high").get<int>());
    ranks.insert(layer.at("rank").get<int>());
    for (const json& other : document.at("layers"))
      if (other.at("score").get<double>() > score) CHECK(other.at("rank").get<int>() < layer.at("rank").get<int>());
  }
  CHECK(ranks.contains(1));
}

TEST_CASE("rank: an array when several criteria or reductions are asked for") {
  const json two = rank_json({"--criterion", "weight,gradient", "--reduction", "l2"});
  REQUIRE(two.is_array());
  REQUIRE(two.size() == 2);
  CHECK(two[0].at("criterion") == "weight");
  CHECK(two[0].at("target") == "none");
  CHECK(two[1].at("criterion") == "gradient");
  const json all = rank_json({"--criterion", "all", "--reduction", "all"});
  std::set<std::string> criteria, reductions;
  for (const json& one : all) criteria.insert(one.at("criterion")), reductions.insert(one.at("reduction"));
  CHECK(criteria.contains("weight-x-gradient"));
  CHECK(reductions == std::set<std::string>{"mean", "p50", "p75", "p90", "p95", "p99", "l1", "l2", "linf", "rms"});
  CHECK(all.size() == criteria.size() * reductions.size());
}

TEST_CASE("rank: an explicit option overrides its part of the preset") {
  const json document = rank_json(
      {"moons-skip:depth=2", "--preset", "paper", "--reduction", "l1", "--target", "margin", "--samples", "40", "--seed", "3"});
  CHECK(document.at("preset") == "paper");
  CHECK(document.at("criterion") == "weight-x-gradient");
  CHECK(document.at("reduction") == "l1");
  CHECK(document.at("target") == "margin");
  CHECK(document.at("samples") == 40);
  CHECK(document.at("seed") == 3);
}

TEST_CASE("rank: the same bits for any number of threads") {
  const std::string one = run_safer({"rank", "--json", "--threads", "1"}).out;
  CHECK(one == run_safer({"rank", "--json", "--threads", "2"}).out);
  CHECK(one == run_safer({"rank", "--json", "--threads", "4"}).out);
}

TEST_CASE("rank: comma-separated values have a line a layer and criterion") {
  const Outcome outcome = run_safer({"rank", "--csv", "--criterion", "weight,gradient"});
  CHECK(outcome.status == 0);
  CHECK(outcome.out.starts_with("model,preset,criterion,"));
  CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') == 1 + 2 * 5);
}

TEST_CASE("rank: unknown names list the choices") {
  const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> unknown = {
      {{"--criterion", "weigth"}, {"'weigth'", "weight", "gradient", "weight-x-gradient"}},
      {{"--reduction", "l3"}, {"'l3'", "mean", "p99", "linf", "rms"}},
      {{"--target", "loss"}, {"'loss'", "top-logit", "margin", "pseudo-ce", "sum-logits", "output-norm", "label-ce"}},
      {{"--preset", "best"}, {"'best'", "recommended", "paper"}},
      {{"moons-round"}, {"'moons-round'", "moons-vanilla", "moons-transformer"}},
  };
  for (auto [words, parts] : unknown) {
    words.insert(words.begin(), "rank");
    const Outcome outcome = run_safer(words);
    CAPTURE(outcome.log);
    CHECK(outcome.status == (words.size() == 3 ? 2 : 1));  // an option's name is usage; a model's might have been a file
    for (const std::string& part : parts) CHECK(contains(outcome.log, part));
  }
}

TEST_CASE("rank: the help lists every name") {
  const std::string help = run_safer({"rank", "--help"}).out;
  for (const char* part :
       {"Criteria: weight gradient weight-x-gradient gradcam++ ig gig idgi smoothgrad vargrad hsic perturbation ablation ",
        "Reductions: mean ", " rms\n", "Targets: top-logit "}) {
    CAPTURE(part);
    CHECK(contains(help, part));
  }
}

TEST_CASE("rank: option values are checked") {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--samples", "0"},
                                             {"--samples", "-5"},
                                             {"--samples", "some"},
                                             {"--seed", "x"},
                                             {"--seed", "-1"},
                                             {"--path", "sideways"},
                                             {"--steps", "0"},
                                             {"--draws", "1"},
                                             {"--noise", "-0.1"},
                                             {"--noise", "nan"},
                                             {"--masks", "1"},
                                             {"--criterion", "weight,"},
                                             {"--reduction", ""},
                                             {"--relevance-out", "f", "--criterion", "all"},
                                             {"--relevance-out", "f", "--criterion", "weight,gradient"}}) {
    std::vector<std::string> line = words;
    line.insert(line.begin(), "rank");
    const Outcome outcome = run_safer(line);
    CAPTURE(outcome.log);
    CHECK(outcome.status == 2);
    CHECK(contains(outcome.log, words[0]));
  }
}

TEST_CASE("rank: data from a file, and fewer samples than asked for") {
  const TemporaryFolder folder;
  const std::string data = write_inputs(folder / "inputs.npy", {30, 2}, 0);
  const Outcome outcome = run_safer({"rank", "--data", data, "--json"});
  CHECK(outcome.status == 0);
  CHECK(json::parse(outcome.out).at("samples") == 30);
  CHECK(contains(outcome.log, "30 samples"));
  const Outcome quiet = run_safer({"rank", "--data", data, "--quiet"});
  CHECK(quiet.status == 0);
  CHECK(quiet.log.empty());
  CHECK(json::parse(run_safer({"rank", "--data", data, "--samples", "12", "--json"}).out).at("samples") == 12);
}

TEST_CASE("rank: data that does not fit is refused with both shapes") {
  const TemporaryFolder folder;
  const Outcome wide = run_safer({"rank", "--data", write_inputs(folder / "wide.npy", {30, 3}, 0)});
  CHECK(wide.status == 1);
  CHECK(contains(wide.log, "[30, 3]"));
  CHECK(contains(wide.log, "[N, 2]"));
  const Outcome empty = run_safer({"rank", "--data", write_inputs(folder / "empty.npy", {0, 2}, 0)});
  CHECK(empty.status == 1);
  CHECK(contains(empty.log, "empty.npy"));
  const Outcome bad =
      run_safer({"rank", "--data", write_inputs(folder / "nan.npy", {9, 2}, std::numeric_limits<float>::quiet_NaN())});
  CHECK(bad.status == 1);
  CHECK(contains(bad.log, "sample 8"));
  const Outcome unlabelled = run_safer({"rank", "--data", write_inputs(folder / "plain.npy", {9, 2}, 0), "--target", "label-ce"});
  CHECK(unlabelled.status == 1);
  CHECK(contains(unlabelled.log, "label"));
}

TEST_CASE("rank: weights from a file, whole, truncated or of another network; a NaN among them shows as failures") {
  const TemporaryFolder folder;
  const std::string file = (folder / "w.safetensors").string();
  REQUIRE(run_safer({"train", "moons-vanilla:depth=2,width=8", "--data", "moons:n=200", "--out", file}).status == 0);
  const Outcome whole = run_safer({"rank", "moons-vanilla", "--weights", file, "--json"});
  CAPTURE(whole.log);
  REQUIRE(whole.status == 0);
  CHECK(json::parse(whole.out).at("layers").size() == 3);
  CHECK(contains(run_safer({"rank", "moons-vanilla", "--weights", file}).out, file));
  CHECK(run_safer({"rank", "moons-skip", "--weights", file}).status == 1);

  safer::Safetensors contents = safer::read_safetensors(file);
  for (safer::NamedTensor& tensor : contents.tensors)
    if (tensor.name == "head.weight") tensor.value.mutable_values<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const std::string broken = (folder / "nan.safetensors").string();
  safer::write_safetensors(broken, contents.tensors, contents.metadata);
  const Outcome failed = run_safer({"rank", "moons-vanilla", "--weights", broken});
  CHECK(failed.status == 0);
  CHECK(contains(failed.out, "failed  head.weight"));

  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  const Outcome truncated = run_safer({"rank", "moons-vanilla", "--weights", file});
  CHECK(truncated.status == 1);
  CHECK(contains(truncated.log, file));
}

TEST_CASE("rank: the options of criteria that move the weights are used, and said to be") {
  const std::vector<std::string> network = {"moons-vanilla:depth=2,width=8", "--samples", "40"};
  const auto rank_with = [&](std::vector<std::string> words) {
    words.insert(words.begin(), network.begin(), network.end());
    return rank_json(words);
  };
  const json gig = rank_with({"--criterion", "gig", "--steps", "7", "--path", "joint"});
  CHECK(gig.at("steps") == 7);
  CHECK(gig.at("path") == "joint");
  CHECK(gig.at("layers")[0].at("score_low").is_null());
  CHECK(gig.at("layers")[0].at("rank_high") == 3);
  const json plain = rank_with({"--criterion", "gig"});
  CHECK(plain.at("steps") == 50);
  CHECK(plain.at("path") == "layer");
  CHECK(plain.at("layers")[0].at("score") != gig.at("layers")[0].at("score"));
  const json vargrad = rank_with({"--criterion", "vargrad", "--draws", "6", "--noise", "0"});
  CHECK(vargrad.at("draws") == 6);
  CHECK(vargrad.at("noise") == 0);
  CHECK(vargrad.at("layers")[0].at("score") == 0);
  const json hsic = rank_with({"--criterion", "hsic", "--masks", "16"});
  CHECK(hsic.at("masks") == 16);
  CHECK(hsic.at("layers")[0].at("score_low").get<double>() > 0);
  const json ig = rank_with({"--criterion", "ig", "--preset", "paper"});
  CHECK(ig.at("steps") == 32);
  CHECK(ig.at("layers")[0].at("score_low").get<double>() > 0);
}

TEST_CASE("rank: the relevance of one criterion, tensor by tensor") {
  const TemporaryFolder folder;
  const std::string file = (folder / "phi.safetensors").string();
  REQUIRE(run_safer({"rank", "--criterion", "weight", "--reduction", "linf", "--relevance-out", file}).status == 0);
  const safer::Safetensors phi = safer::read_safetensors(file);
  CHECK(phi.metadata.at("criterion") == "weight");
  const json layers = rank_json({"--criterion", "weight", "--reduction", "linf"}).at("layers");
  REQUIRE(phi.tensors.size() == layers.size());
  for (const json& layer : layers)
    for (const safer::NamedTensor& tensor : phi.tensors) {
      if (tensor.name != layer.at("name")) continue;
      float largest = 0;
      for (const float value : tensor.value.values<float>()) largest = std::max(largest, std::abs(value));
      CHECK(largest == doctest::Approx(layer.at("score").get<double>()));
      CHECK(json(std::vector<std::int64_t>(tensor.value.shape().begin(), tensor.value.shape().end())) == layer.at("shape"));
    }
  const Outcome unwritable = run_safer({"rank", "--relevance-out", (folder / "no" / "phi.safetensors").string()});
  CHECK(unwritable.status == 1);
  CHECK(unwritable.out.empty());
}

TEST_CASE("rank: options without an effect are said to have none") {
  const Outcome outcome = run_safer({"rank", "--criterion", "gradient", "--fold-bn", "--path", "joint", "--steps", "3", "--draws",
                                     "3", "--noise", "1", "--masks", "4"});
  CHECK(outcome.status == 0);
  for (const char* option : {"--fold-bn", "--path", "--steps", "--draws", "--noise", "--masks"}) {
    CAPTURE(option);
    CHECK(contains(outcome.log, std::string(option) + " has no effect"));
  }
  CHECK(run_safer({"rank", "--fold-bn", "--quiet"}).log.empty());
}
