#include "criteria/ranking.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/random.h"
#include "tests/criteria/numbers.h"

namespace safer {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Ranking ranked(const std::vector<double>& scores) { return rank(scores); }

}  // namespace

TEST_CASE("the largest score has rank 1") {
  const Ranking ranking = ranked({0.5, 3, -1, 2});
  CHECK(ranking.rank == std::vector<int>{3, 1, 4, 2});
  CHECK(ranking.failures() == 0);
  CHECK(ranking.ties().empty());
}

TEST_CASE("ties share a rank and skip the following ones") {
  const Ranking ranking = ranked({1, 5, 5, 7, 0.0, -0.0, 1});
  CHECK(ranking.rank == std::vector<int>{4, 2, 2, 1, 6, 6, 4});
  CHECK(ranking.tied == std::vector<bool>{true, true, true, false, true, true, true});
  CHECK(ranking.ties() == std::vector<std::vector<int>>{{1, 2}, {0, 6}, {4, 5}});
}

TEST_CASE("NaN and infinite scores are failures, ranked last") {
  const Ranking ranking = ranked({test::nan, 2, infinity, 2, -infinity, 9, -test::nan});
  CHECK(ranking.rank == std::vector<int>{4, 2, 4, 2, 4, 1, 4});
  CHECK(ranking.failed == std::vector<bool>{true, false, true, false, true, false, true});
  CHECK(ranking.failures() == 4);
  CHECK(ranking.tied == std::vector<bool>{false, true, false, true, false, false, false});
  CHECK(ranking.ties() == std::vector<std::vector<int>>{{1, 3}});
}

TEST_CASE("one failure among one, none among none") {
  CHECK(ranked({test::nan}).rank == std::vector<int>{1});
  CHECK(ranked({test::nan}).ties().empty());
  CHECK(ranked({4}).rank == std::vector<int>{1});
  CHECK(ranked({}).rank.empty());
}

TEST_CASE("a rank is one more than the number of larger scores") {
  Random random(1);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<double> scores(random.below(40));
    for (double& score : scores) score = random.below(8) == 0 ? test::nan : static_cast<double>(random.below(12));
    const Ranking ranking = rank(scores);
    const auto finite = static_cast<int>(scores.size()) - ranking.failures();
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (ranking.failed[i]) {
        CHECK(ranking.rank[i] == finite + 1);
        continue;
      }
      CHECK(ranking.rank[i] == 1 + std::ranges::count_if(scores, [&](double other) { return other > scores[i]; }));
      CHECK(ranking.tied[i] == (std::ranges::count(scores, scores[i]) > 1));
    }
  }
}

}  // namespace safer
