#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

#include "tests/tools/run_safer.h"

using nlohmann::json;

namespace {

const std::vector<std::string> quick = {"measure",     "moons-vanilla:depth=2,width=16", "--data", "moons", "--draws", "40",
                                        "--criterion", "weight,weight-x-gradient"};

Outcome measure(std::vector<std::string> words) {
  words.insert(words.begin(), quick.begin(), quick.end());
  return run_safer(words);
}

json measure_json(std::vector<std::string> words) {
  words.push_back("--json");
  const Outcome outcome = measure(words);
  CAPTURE(outcome.log);
  REQUIRE(outcome.status == 0);
  return json::parse(outcome.out);
}

}  // namespace

TEST_CASE("measure: text says what was done, the order, what is open and how criteria agree") {
  const Outcome outcome = measure({"--noise", "gaussian"});
  CHECK(outcome.status == 0);
  CHECK(outcome.log.empty());
  for (const char* part : {"noise gaussian on weights", "levels 0.1 0.2", "32 fresh points", "ranked by probabilities",
                           "right answers", "layers.0.weight", "head.weight", " +- ", "tau-b", "weight-x-gradient", "pseudo-ce"}) {
    CAPTURE(part);
    CHECK(contains(outcome.out, part));
  }
}

TEST_CASE("measure: rounding is not random, and criteria are held against it as against noise") {
  const Outcome outcome = measure({"--noise", "rounding", "--levels", "0.143,0.333"});
  CHECK(outcome.status == 0);
  for (const char* part : {"noise rounding on weights, levels 0.143 0.333, 32 fresh points", "tau-b", "weight-x-gradient"}) {
    CAPTURE(part);
    CHECK(contains(outcome.out, part));
  }
}

TEST_CASE("measure: one JSON document, whose ranks follow from its damages") {
  for (const char* noise : {"zero", "gaussian", "impulse", "rounding"})
    for (const char* on : {"weights", "activations"}) {
      const json document = measure_json({"--noise", noise, "--on", on, "--levels", "0.2,0.7"});
      CHECK(document.at("noise") == noise);
      CHECK(document.at("on") == on);
      CHECK(document.at("labelled") == true);
      REQUIRE(document.at("layers").size() == 3);
      std::map<std::string, int> ranks;
      for (const json& layer : document.at("layers")) {
        ranks[layer.at("name")] = layer.at("rank");
        REQUIRE(layer.at("levels").size() == 2);
        double sum = 0;
        for (const json& level : layer.at("levels")) sum += level.at("probabilities").at("mean").get<double>();
        const double mean = layer.at("damage").at("probabilities").at("mean");
        CHECK(mean == doctest::Approx(sum / 2));
        CHECK(layer.at("damage").at("probabilities").at("error").get<double>() > 0);
        for (const json& other : document.at("layers"))
          if (other.at("damage").at("probabilities").at("mean").get<double>() > mean)
            CHECK(other.at("rank").get<int>() < layer.at("rank").get<int>());
      }
      for (const json& pair : document.at("settled")) CHECK(ranks.at(pair[0]) < ranks.at(pair[1]));
      REQUIRE(document.at("criteria").size() == 2);
      for (const json& one : document.at("criteria")) {
        CHECK(one.at("ranks").size() == 3);
        CHECK(one.at("tau_b").get<double>() <= 1);
      }
    }
}

TEST_CASE("measure: the same bits for any number of threads") {
  const std::string one = measure({"--noise", "gaussian", "--json", "--threads", "1"}).out;
  CHECK(one == measure({"--noise", "gaussian", "--json", "--threads", "3"}).out);
}

TEST_CASE("measure: comma-separated values have a line a layer, with its ranks") {
  const Outcome outcome = measure({"--noise", "zero", "--csv", "--reduction", "l1,l2"});
  CHECK(outcome.status == 0);
  CHECK(std::ranges::count(outcome.out, '\n') == 1 + 3);
  CHECK(contains(outcome.out, "probabilities_error"));
  CHECK(contains(outcome.out, "rank by weight-x-gradient l2"));
}

TEST_CASE("measure: without criteria nothing is compared") {
  const Outcome outcome = run_safer({"measure", "moons-skip:depth=1,width=8", "--data", "moons", "--noise", "zero", "--draws", "10",
                                     "--criterion", "none", "--json"});
  REQUIRE(outcome.status == 0);
  CHECK(json::parse(outcome.out).at("criteria").empty());
}

TEST_CASE("measure: option values are checked before any work is done") {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"--on", "weights"},  // no noise
           {"--noise", "salt"},
           {"--noise", "zero", "--on", "biases"},
           {"--noise", "zero", "--levels", "0.1,2"},
           {"--noise", "zero", "--levels", "0.1,,0.2"},
           {"--noise", "zero", "--draws", "1"},
           {"--noise", "zero", "--ranked-by", "loss"},
           {"--noise", "zero", "--confidence", "1"},
           {"--noise", "gaussian", "--whole-neurons"},
           {"--noise", "rounding", "--whole-neurons"},
           {"--noise", "rounding", "--levels", "8"},  // a part of the largest weight, not bits
           {"--noise", "gaussian", "--unit-of-activity"},
           {"--noise", "zero", "--reduction", "l3"},
           {"--noise", "zero", "--points", "0"},
       }) {
    const Outcome outcome = measure(words);
    CAPTURE(outcome.log);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
  }
  CHECK(run_safer({"measure", "moons-vanilla", "--noise", "zero"}).status == 2);  // no data
}
