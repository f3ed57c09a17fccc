#include "criteria/agreement.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "tests/criteria/numbers.h"

namespace safer {
namespace {

using Scores = std::vector<double>;

Agreement compare(const Scores& scores, const Scores& truth) { return agreement(rank(scores), rank(truth)); }

/// All orders of n scores.
std::vector<Scores> permutations(int n) {
  Scores scores(static_cast<std::size_t>(n));
  std::iota(scores.begin(), scores.end(), 1.0);
  std::vector<Scores> all;
  do {
    all.push_back(scores);
  } while (std::next_permutation(scores.begin(), scores.end()));
  return all;
}

/// The number of swaps of neighbours that bubble sort needs: the discordant pairs of an order against 1, 2, 3, ...
int bubble_swaps(Scores scores) {
  int swaps = 0;
  for (std::size_t end = scores.size(); end > 1; --end)
    for (std::size_t i = 1; i < end; ++i)
      if (scores[i - 1] > scores[i]) std::swap(scores[i - 1], scores[i]), ++swaps;
  return swaps;
}

int sign(double value) { return (value > 0) - (value < 0); }

}  // namespace

TEST_CASE("full agreement and full disagreement") {
  const Agreement same = compare({0.1, 7, 3, 2}, {1, 100, 50, 10});
  CHECK(same.exact);
  CHECK(same.tau_b == 1);
  CHECK(same.spearman == 1);
  CHECK(same.pairwise == 1);
  CHECK(same.tied == 0);
  const Agreement reversed = compare({4, 3, 2, 1}, {1, 2, 3, 4});
  CHECK_FALSE(reversed.exact);
  CHECK(reversed.tau_b == -1);
  CHECK(reversed.spearman == -1);
  CHECK(reversed.pairwise == 0);
}

TEST_CASE("hand examples with ties") {
  // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) = -0.4714045, its documentation's example
  CHECK(compare({12, 2, 1, 12, 2}, {1, 4, 7, 1, 0}).tau_b == doctest::Approx(-0.47140452079103173).epsilon(1e-14));
  // scipy.stats.spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]) = 0.8207827, its documentation's example
  CHECK(compare({1, 2, 3, 4, 5}, {5, 6, 7, 8, 7}).spearman == doctest::Approx(0.82078268166812329).epsilon(1e-14));
  // One tie among 4: 5 of 6 pairs right, the tied one counts half; tau-b = 5 / sqrt(5 * 6).
  const Agreement tie = compare({1, 2, 2, 3}, {1, 2, 3, 4});
  CHECK_FALSE(tie.exact);
  CHECK(tie.tau_b == doctest::Approx(5 / std::sqrt(30.0)).epsilon(1e-15));
  CHECK(tie.pairwise == doctest::Approx(5.5 / 6).epsilon(1e-15));
  CHECK(tie.tied == doctest::Approx(1.0 / 6).epsilon(1e-15));
}

TEST_CASE("a constant score is never exact and tells nothing") {
  const Agreement constant = compare({5, 5, 5, 5}, {4, 3, 2, 1});
  CHECK_FALSE(constant.exact);
  CHECK(constant.tau_b == 0);
  CHECK(constant.spearman == 0);
  CHECK(constant.pairwise == 0.5);
  CHECK(constant.tied == 1);
}

TEST_CASE("where the truth is tied, exact means tied") {
  CHECK(compare({9, 4, 4}, {3, 1, 1}).exact);
  CHECK_FALSE(compare({9, 4, 5}, {3, 1, 1}).exact);
  CHECK(compare({9, 4, 5}, {3, 1, 1}).pairwise == 1);
  CHECK(compare({1, 2, 3}, {3, 3, 3}).pairwise == 1);  // no pair to get wrong
  CHECK(compare({1, 2, 3}, {3, 3, 3}).tau_b == 0);
}

TEST_CASE("chance of an exact match, by enumeration: 14.4 % for 2 to 6 layers") {
  double chance = 0;
  for (int layers = 2; layers <= 6; ++layers) {
    const std::vector<Scores> all = permutations(layers);
    Scores truth = all.front();
    Random(static_cast<std::uint64_t>(layers)).shuffle<double>(truth);
    const auto exact = std::ranges::count_if(all, [&](const Scores& scores) { return compare(scores, truth).exact; });
    CHECK(exact == 1);
    chance += static_cast<double>(exact) / static_cast<double>(all.size()) / 5;
  }
  CHECK(chance == doctest::Approx(0.144).epsilon(0.002));
}

TEST_CASE("all permutations: tau from bubble sort, rho from squared differences, chance levels") {
  for (int n = 2; n <= 7; ++n) {
    double tau = 0, rho = 0, pairwise = 0, top = 0;
    const std::vector<Scores> all = permutations(n);
    for (const Scores& scores : all) {
      const Agreement result = compare(scores, all.front());
      const double pairs = n * (n - 1) / 2.0;
      REQUIRE(result.tau_b == doctest::Approx(1 - 2 * bubble_swaps(scores) / pairs).epsilon(1e-14));
      double squares = 0;
      for (std::size_t i = 0; i < scores.size(); ++i) squares += std::pow(scores[i] - all.front()[i], 2);
      REQUIRE(result.spearman == doctest::Approx(1 - 6 * squares / (n * (n * n - 1.0))).epsilon(1e-13));
      REQUIRE(result.pairwise == doctest::Approx((result.tau_b + 1) / 2).epsilon(1e-14));
      tau += result.tau_b, rho += result.spearman, pairwise += result.pairwise;
      top += top_overlap(rank(scores), rank(all.front()), 1);
    }
    const auto count = static_cast<double>(all.size());
    CHECK(std::abs(tau / count) < 1e-12);
    CHECK(std::abs(rho / count) < 1e-12);
    CHECK(pairwise / count == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(top / count == doctest::Approx(1.0 / n).epsilon(1e-12));
  }
}

TEST_CASE("tau-b with ties on both sides is a correlation of signs") {
  // tau-b is the cosine between the vectors of the signs of all pairs.
  Random random(4);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::size_t n = 2 + random.below(8);
    Scores a(n), b(n);
    for (std::size_t i = 0; i < n; ++i) a[i] = static_cast<double>(random.below(5)), b[i] = static_cast<double>(random.below(5));
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) {
        const int x = sign(a[i] - a[j]), y = sign(b[i] - b[j]);
        ab += x * y, aa += x * x, bb += y * y;
      }
    const double expected = aa * bb > 0 ? ab / std::sqrt(aa * bb) : 0;
    REQUIRE(compare(a, b).tau_b == doctest::Approx(expected).epsilon(1e-14));
    REQUIRE(compare(b, a).tau_b == doctest::Approx(expected).epsilon(1e-14));
  }
}

TEST_CASE("a failed item is never rewarded") {
  const Scores truth = {5, 4, 3, 2, 1};
  // The layer that failed is truly the least important: being ranked last would be right by accident.
  const Agreement lucky = compare({50, 40, 30, 20, test::nan}, truth);
  CHECK_FALSE(lucky.exact);
  CHECK(lucky.failures == 1);
  CHECK(lucky.pairwise == doctest::Approx(0.6).epsilon(1e-15));
  CHECK(lucky.tau_b == doctest::Approx(0.2).epsilon(1e-15));
  CHECK(lucky.spearman == doctest::Approx(2 / std::sqrt(68.0)).epsilon(1e-15));  // of 1, 2, 3, 4, 1 with 1, 2, 3, 4, 5
  CHECK(lucky.tied == 0);
  const Agreement all = compare({test::nan, test::nan, test::nan, test::nan, test::nan}, truth);
  CHECK(all.pairwise == 0);
  CHECK(all.tau_b == -1);
  CHECK(all.spearman < 0);
  CHECK(all.failures == 5);
  CHECK(top_overlap(rank(Scores{test::nan, test::nan, test::nan, test::nan, test::nan}), rank(truth), 5) == 0);
  CHECK(top_overlap(rank(Scores{3, 2, test::nan, test::nan, test::nan}), rank(truth), 3) ==
        doctest::Approx(2.0 / 3).epsilon(1e-15));
}

TEST_CASE("a failure never agrees better than any finite score in its place") {
  for (const Scores& scores : permutations(5)) {
    const Scores truth = {1, 2, 3, 4, 5};
    for (std::size_t fails = 0; fails < scores.size(); ++fails) {
      Scores failing = scores;
      failing[fails] = test::nan;
      const Agreement failed = compare(failing, truth);
      for (double place = 0.5; place < 6; place += 1) {
        Scores finite = scores;
        finite[fails] = place;
        const Agreement other = compare(finite, truth);
        REQUIRE(failed.pairwise <= other.pairwise);
        REQUIRE(failed.tau_b <= other.tau_b + 1e-15);
      }
    }
  }
}

TEST_CASE("top-k overlap, with ties in expectation") {
  const Ranking truth = rank(Scores{5, 4, 3, 2, 1});
  CHECK(top_overlap(rank(Scores{5, 4, 3, 2, 1}), truth, 2) == 1);
  CHECK(top_overlap(rank(Scores{1, 2, 3, 4, 5}), truth, 2) == 0);
  CHECK(top_overlap(rank(Scores{1, 2, 3, 4, 5}), truth, 3) == doctest::Approx(1.0 / 3).epsilon(1e-15));
  CHECK(top_overlap(rank(Scores{1, 2, 3, 4, 5}), truth, 5) == 1);
  // Two tie for the second place, one of them truly second: half a chance.
  CHECK(top_overlap(rank(Scores{5, 4, 4, 2, 1}), truth, 2) == 0.75);
  CHECK(top_overlap(rank(Scores{1, 1, 1, 1, 1}), truth, 2) == doctest::Approx(0.4).epsilon(1e-15));
}

TEST_CASE("errors") {
  const Ranking two = rank(Scores{1, 2}), three = rank(Scores{1, 2, 3}), one = rank(Scores{1}), failed = rank(Scores{1, test::nan});
  CHECK_THROWS_WITH_AS(agreement(two, three), "agreement: a ranking of 2 items but a truth of 3; both must rank the same layers",
                       Error);
  CHECK_THROWS_WITH_AS(agreement(one, one), "agreement: 1 items; an order needs at least 2", Error);
  CHECK_THROWS_WITH_AS(agreement(two, failed), "agreement: 1 of the 2 true scores are NaN or infinite; measure them again", Error);
  CHECK_THROWS_WITH_AS(top_overlap(two, two, 0), "agreement: top 0 of 2 items; choose 1 to 2", Error);
  CHECK_THROWS_WITH_AS(top_overlap(two, two, 3), "agreement: top 3 of 2 items; choose 1 to 2", Error);
}

}  // namespace safer
