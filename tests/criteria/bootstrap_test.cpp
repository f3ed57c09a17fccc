#include "criteria/bootstrap.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "engine/random.h"
#include "tests/criteria/numbers.h"

namespace safer {

TEST_CASE("a resample draws as many groups as there are, every group as often as any other") {
  const Resamples resamples(16, 2000, 3);
  std::vector<int> drawn(16);
  for (int r = 0; r < resamples.count(); ++r) {
    const std::span<const int> draws = resamples.draws(r);
    REQUIRE(draws.size() == 16);
    REQUIRE(std::accumulate(draws.begin(), draws.end(), 0) == 16);
    for (std::size_t g = 0; g < 16; ++g) drawn[g] += draws[g];
  }
  const double deviation = std::sqrt(2000 * 15.0 / 16);  // of a binomial with 32000 draws of chance 1/16
  for (const int count : drawn) CHECK(std::abs(count - 2000) < 5 * deviation);
}

TEST_CASE("resamples depend on the seed and on nothing else") {
  const Resamples a(8, 50, 1), b(8, 50, 1), longer(8, 60, 1), other(8, 50, 2);
  int differences = 0;
  for (int r = 0; r < 50; ++r)
    for (std::size_t g = 0; g < 8; ++g) {
      CHECK(a.draws(r)[g] == b.draws(r)[g]);
      CHECK(a.draws(r)[g] == longer.draws(r)[g]);
      differences += a.draws(r)[g] != other.draws(r)[g];
    }
  CHECK(differences > 100);
}

TEST_CASE("tails: Phi(-t sqrt(G / (G - 1))) with t from the tables of Student's distribution") {
  const auto expected = [](double t, double groups) {
    return 0.5 * std::erfc(t * std::sqrt(groups / (groups - 1)) / std::sqrt(2));
  };
  CHECK(tail_share(2) == doctest::Approx(expected(12.70620474, 2)).epsilon(1e-6));
  CHECK(tail_share(3) == doctest::Approx(expected(4.30265273, 3)).epsilon(1e-6));
  CHECK(tail_share(4) == doctest::Approx(expected(3.18244631, 4)).epsilon(1e-6));
  CHECK(tail_share(5) == doctest::Approx(expected(2.77644511, 5)).epsilon(1e-6));
  CHECK(tail_share(16) == doctest::Approx(expected(2.13144955, 16)).epsilon(1e-6));
  CHECK(tail_share(31) == doctest::Approx(expected(2.04227246, 31)).epsilon(1e-6));
  CHECK(tail_share(100001) == doctest::Approx(0.025).epsilon(1e-3));
}

TEST_CASE("intervals are percentiles around the score, ranks those of each resample") {
  // Three items, 1001 resamples: the first varies evenly over 0..2 around 1, the second stands at 3, the third failed.
  std::vector<double> resampled;
  for (int r = 0; r <= 1000; ++r) {
    resampled.push_back(r / 500.0);
    resampled.push_back(3);
    resampled.push_back(1);
  }
  const std::vector<double> scores = {1, 3, test::nan};
  const std::vector<ItemInterval> intervals = bootstrap_intervals(scores, resampled, 16);
  const double tail = tail_share(16);
  CHECK(intervals[0].score_low == doctest::Approx(2 * tail).epsilon(0.1));
  CHECK(intervals[0].score_high == doctest::Approx(2 - 2 * tail).epsilon(0.01));
  CHECK(intervals[0].rank_low == 2);
  CHECK(intervals[0].rank_high == 2);
  CHECK(intervals[1].score_low == 3);
  CHECK(intervals[1].score_high == 3);
  CHECK(intervals[1].rank_high == 1);
  CHECK(std::isnan(intervals[2].score_low));
  CHECK(intervals[2].rank_low == 3);
  CHECK(intervals[2].rank_high == 3);
}

TEST_CASE("the growth of a magnitude under resampling is taken out") {
  const std::vector<double> scores = {1, 2}, resampled = {1.4, 2.8, 1.5, 3.0, 1.3, 2.6};
  for (const ItemInterval& interval : bootstrap_intervals(scores, resampled, 16)) {
    const double score = interval.rank_low == 2 ? 1 : 2;
    CHECK(interval.score_low == doctest::Approx(score * 1.3 / 1.4).epsilon(1e-12));
    CHECK(interval.score_high == doctest::Approx(score * 1.5 / 1.4).epsilon(1e-12));
  }
}

TEST_CASE("a score of zero has the interval 0..0") {
  const ItemInterval interval = bootstrap_intervals(std::vector<double>{0}, std::vector<double>{0, 0, 0}, 4)[0];
  CHECK(interval.score_low == 0);
  CHECK(interval.score_high == 0);
  CHECK(interval.rank_low == 1);
}

TEST_CASE("coverage: about 95 of 100 intervals contain the true score") {
  // The score is sqrt(E g^2) of one weight with g ~ N(0, 1), so its true value is 1.
  constexpr int trials = 1000, groups = 16, each = 16, count = 500;
  Random random(11);
  int inside = 0;
  for (int trial = 0; trial < trials; ++trial) {
    std::vector<double> sums(groups);
    for (double& sum : sums)
      for (int s = 0; s < each; ++s) sum += std::pow(random.normal(), 2);
    const Resamples resamples(groups, count, static_cast<std::uint64_t>(trial));
    std::vector<double> resampled;
    for (int r = 0; r < count; ++r) {
      double sum = 0;
      for (std::size_t g = 0; g < groups; ++g) sum += resamples.draws(r)[g] * sums[g];
      resampled.push_back(std::sqrt(sum / (groups * each)));
    }
    const std::vector<double> score = {std::sqrt(std::accumulate(sums.begin(), sums.end(), 0.0) / (groups * each))};
    const ItemInterval interval = bootstrap_intervals(score, resampled, groups)[0];
    inside += interval.score_low <= 1 && 1 <= interval.score_high;
  }
  MESSAGE("coverage " << inside / 10.0 << " %");
  CHECK(std::abs(inside - 950) <= 21);  // three standard errors of 0.69 points
}

}  // namespace safer
