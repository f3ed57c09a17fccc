#include "criteria/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/error.h"

namespace safer {
namespace {

void check(const Ranking& ranking, const Ranking& truth) {
  if (ranking.size() != truth.size())
    throw Error("agreement: a ranking of {} items but a truth of {}; both must rank the same layers", ranking.size(), truth.size());
  if (truth.size() < 2) throw Error("agreement: {} items; an order needs at least 2", truth.size());
  if (truth.failures() > 0)
    throw Error("agreement: {} of the {} true scores are NaN or infinite; measure them again", truth.failures(), truth.size());
}

struct Pairs {
  std::int64_t concordant = 0, discordant = 0;
  std::int64_t tied_here = 0, tied_in_truth = 0;  // tied_here: as a shared rank, without failures
  std::int64_t half = 0;                          // tied here, ordered in truth
  std::int64_t all = 0;
};

Pairs count_pairs(const Ranking& ranking, const Ranking& truth) {
  Pairs pairs;
  for (std::size_t i = 0; i < truth.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const bool failed = ranking.failed[i] || ranking.failed[j];
      const int here = failed ? 0 : ranking.rank[i] - ranking.rank[j], there = truth.rank[i] - truth.rank[j];
      const bool tied_here = !failed && here == 0;
      ++pairs.all;
      pairs.tied_here += tied_here;
      pairs.tied_in_truth += there == 0;
      pairs.half += tied_here && there != 0;
      if (there == 0) continue;
      pairs.concordant += (here > 0) == (there > 0) && here != 0;
      pairs.discordant += failed || (here != 0 && (here > 0) != (there > 0));
    }
  return pairs;
}

double ratio_or_zero(double numerator, double denominator) { return denominator > 0 ? numerator / denominator : 0; }

double tau_b(const Pairs& pairs) {
  const auto ordered = [&](std::int64_t tied) { return static_cast<double>(pairs.all - tied); };
  const double scale = ordered(pairs.tied_here) * ordered(pairs.tied_in_truth);  // one root, so that full agreement is exactly 1
  return ratio_or_zero(static_cast<double>(pairs.concordant - pairs.discordant), std::sqrt(scale));
}

/// Ranks with ties at the middle of the places that they share, so that the ranks of n items always sum to n (n + 1) / 2.
std::vector<double> midranks(const Ranking& ranking) {
  std::vector<double> middle(ranking.size());
  for (std::size_t i = 0; i < middle.size(); ++i) {
    const auto sharing = std::ranges::count(ranking.rank, ranking.rank[i]);
    middle[i] = ranking.rank[i] + 0.5 * static_cast<double>(sharing - 1);
  }
  return middle;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const double n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mean_x += x[i], mean_y += y[i];
  mean_x /= n, mean_y /= n;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x, dy = y[i] - mean_y;
    xx += dx * dx, yy += dy * dy, xy += dx * dy;
  }
  return ratio_or_zero(xy, std::sqrt(xx * yy));
}

double spearman(const Ranking& ranking, const Ranking& truth) {
  std::vector<double> here = midranks(ranking);
  const std::vector<double> there = midranks(truth);
  const double last = static_cast<double>(truth.size());
  for (std::size_t i = 0; i < here.size(); ++i)
    if (ranking.failed[i]) here[i] = there[i] - 1 > last - there[i] ? 1 : last;
  return correlation(here, there);
}

/// The chance of each item to be among the first k, ties broken at random.
std::vector<double> chance_of_top(const Ranking& ranking, int k) {
  std::vector<double> chance(ranking.size());
  for (std::size_t i = 0; i < chance.size(); ++i) {
    if (ranking.failed[i]) continue;
    const double sharing = static_cast<double>(std::ranges::count(ranking.rank, ranking.rank[i]));
    chance[i] = std::clamp((k - ranking.rank[i] + 1) / sharing, 0.0, 1.0);
  }
  return chance;
}

}  // namespace

Agreement agreement(const Ranking& ranking, const Ranking& truth) {
  check(ranking, truth);
  const Pairs pairs = count_pairs(ranking, truth);
  Agreement result;
  result.failures = ranking.failures();
  result.exact = result.failures == 0 && ranking.rank == truth.rank;
  result.tau_b = tau_b(pairs);
  result.spearman = spearman(ranking, truth);
  const auto ordered = static_cast<double>(pairs.all - pairs.tied_in_truth);
  result.pairwise = ordered > 0 ? (static_cast<double>(pairs.concordant) + 0.5 * static_cast<double>(pairs.half)) / ordered : 1;
  result.tied = static_cast<double>(pairs.tied_here) / static_cast<double>(pairs.all);
  return result;
}

double top_overlap(const Ranking& ranking, const Ranking& truth, int k) {
  check(ranking, truth);
  if (k < 1 || k > static_cast<int>(truth.size()))
    throw Error("agreement: top {} of {} items; choose 1 to {}", k, truth.size(), truth.size());
  const std::vector<double> here = chance_of_top(ranking, k), there = chance_of_top(truth, k);
  double overlap = 0;
  for (std::size_t i = 0; i < here.size(); ++i) overlap += here[i] * there[i];
  return overlap / k;
}

}  // namespace safer
