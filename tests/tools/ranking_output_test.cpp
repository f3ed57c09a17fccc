#include "tools/ranking_output.h"

#include <doctest/doctest.h>

#include <limits>
#include <sstream>
#include <tuple>

using namespace safer;
using namespace safer::commands;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

RankedLayer layer(std::string name, double score, int rank, double low, double high) {
  return {.name = std::move(name),
          .op = "linear",
          .shape = {2, 3},
          .weights = 6,
          .score = score,
          .rank = rank,
          .score_low = low,
          .score_high = high,
          .rank_low = rank,
          .rank_high = rank};
}

/// In network order: the last but one, a failure, two ties, the first.
RankReport report() {
  RankReport report{.model = "m", .preset = "paper", .criterion = "c", .reduction = "r", .target = "t", .samples = 9, .seed = 5};
  report.layers = {layer("weak", 0.1, 4, 0.05, 0.45), layer("broken", not_a_number, 5, not_a_number, not_a_number),
                   layer("even", 0.5, 2, 0.4, 0.6), layer("odd", 0.5, 2, 0.4, 0.6), layer("strong", 2, 1, 1.5, 2.5)};
  report.layers[0].rank_low = 2;
  report.layers[1].failed = true;
  report.layers[2].tied = report.layers[3].tied = true;
  return report;
}

}  // namespace

TEST_CASE("ranking for people: by rank, ties as ties, failures last, overlaps named") {
  std::ostringstream out;
  print_ranking(out, report());
  CHECK(out.str() ==
        "preset paper: criterion c, reduction r, target t, 9 samples, seed 5\n"
        "\n"
        "  rank  layer   op      shape   weights  score  95 % of score  95 % of rank\n"
        "    1   strong  linear  [2, 3]        6      2  1.5 .. 2.5     1             ##############################\n"
        "    2=  even    linear  [2, 3]        6    0.5  0.4 .. 0.6     2             ########\n"
        "    2=  odd     linear  [2, 3]        6    0.5  0.4 .. 0.6     2             ########\n"
        "    4   weak    linear  [2, 3]        6    0.1  0.05 .. 0.45   2 .. 4        ##\n"
        "failed  broken  linear  [2, 3]        6    nan  -              -\n"
        "\n"
        "The order of ranks 2 and 4 may be chance: their 95 % intervals overlap.\n");
}

TEST_CASE("ranking for people: neighbours that overlap are named as runs") {
  RankReport runs = report();
  runs.layers.clear();
  const std::vector<std::pair<int, int>> intervals = {{1, 2}, {1, 3}, {3, 3}, {4, 4}, {5, 6}, {5, 6}};
  for (int i = 0; i < 6; ++i) {
    runs.layers.push_back(layer("l", 10 - i, i + 1, 1, 20));
    std::tie(runs.layers.back().rank_low, runs.layers.back().rank_high) = intervals[static_cast<std::size_t>(i)];
  }
  std::ostringstream out;
  print_ranking(out, runs);
  CHECK(out.str().find("\nThe order of ranks 1 to 3, of 5 and 6 may be chance") != std::string::npos);
}

TEST_CASE("ranking for people: without intervals nothing is said about them") {
  RankReport bare = report();
  for (RankedLayer& each : bare.layers) each.score_low = each.score_high = not_a_number;
  std::ostringstream out;
  print_ranking(out, bare);
  CHECK(out.str().find("intervals") == std::string::npos);
  CHECK(out.str().find("..") == std::string::npos);
}

TEST_CASE("ranking for people: all scores zero, or all failed") {
  RankReport flat = report();
  for (RankedLayer& each : flat.layers) each.score = 0, each.failed = false;
  std::ostringstream out;
  print_ranking(out, flat);
  CHECK(out.str().find('#') == std::string::npos);
  for (RankedLayer& each : flat.layers) each.failed = true;
  print_ranking(out, flat);
  CHECK(out.str().find('#') == std::string::npos);
}

TEST_CASE("ranking as JSON: the fields that programs rely on, in network order, null for what is no number") {
  const Json document = ranking_json(report());
  CHECK(document.at("model") == "m");
  CHECK(document.at("preset") == "paper");
  CHECK(document.at("criterion") == "c");
  CHECK(document.at("reduction") == "r");
  CHECK(document.at("target") == "t");
  CHECK(document.at("samples") == 9);
  CHECK(document.at("seed") == 5);
  REQUIRE(document.at("layers").size() == 5);
  const Json weak = document.at("layers")[0], broken = document.at("layers")[1];
  CHECK(weak == Json({{"name", "weak"},
                      {"op", "linear"},
                      {"shape", {2, 3}},
                      {"weights", 6},
                      {"score", 0.1},
                      {"rank", 4},
                      {"score_low", 0.05},
                      {"score_high", 0.45},
                      {"rank_low", 2},
                      {"rank_high", 4}}));
  CHECK(broken.at("score").is_null());
  CHECK(broken.at("score_low").is_null());
  CHECK(broken.at("rank") == 5);
}

TEST_CASE("rankings say how the criterion went about it, where that can be chosen") {
  RankReport path = report(), noise = report();
  path.path = "joint", path.steps = 32, path.masks = 64;
  noise.draws = 25, noise.noise = 0.05;
  std::ostringstream text, csv;
  print_ranking(text, path);
  CHECK(text.str().starts_with(
      "preset paper: criterion c, reduction r, target t, 9 samples, seed 5, path joint, steps 32, masks 64\n"));
  const Json of_path = ranking_json(path), of_noise = ranking_json(noise), of_neither = ranking_json(report());
  CHECK(of_path.at("path") == "joint");
  CHECK(of_path.at("steps") == 32);
  CHECK(of_path.at("masks") == 64);
  CHECK_FALSE(of_path.contains("draws"));
  CHECK(of_noise.at("draws") == 25);
  CHECK(of_noise.at("noise") == 0.05);
  CHECK_FALSE(of_noise.contains("path"));
  CHECK(of_neither.size() == 8);
  print_rankings_csv(csv, std::vector<RankReport>{noise});
  CHECK(csv.str().find("m,paper,c,r,t,9,5,draws=25 noise=0.05,weak,") != std::string::npos);
}

TEST_CASE("ranking as JSON: a name that is not UTF-8 does not stop it") {
  RankReport odd = report();
  odd.layers[0].name = "bad\xff name";
  std::ostringstream out;
  print_json(out, ranking_json(odd));
  CHECK(Json::parse(out.str()).at("layers")[0].at("name") == "bad\ufffd name");
}

TEST_CASE("rankings as CSV: one header, a line a layer and report") {
  const std::vector<RankReport> reports = {report(), report()};
  std::ostringstream out;
  print_rankings_csv(out, reports);
  const std::string text = out.str();
  CHECK(std::count(text.begin(), text.end(), '\n') == 11);
  CHECK(text.starts_with(
      "model,preset,criterion,reduction,target,samples,seed,settings,name,op,shape,weights,score,rank,score_low,score_high,"
      "rank_low,rank_high\nm,paper,c,r,t,9,5,,weak,linear,\"[2, 3]\",6,0.1,4,0.05,0.45,2,4\n"));
  CHECK(text.find("broken,linear,\"[2, 3]\",6,nan,5,nan,nan,5,5\n") != std::string::npos);
}
