#include "criteria/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

#include "criteria/ranking.h"
#include "engine/random.h"

namespace safer {
namespace {

/// The chance that |T| < t for Student's distribution (Abramowitz & Stegun 26.7.3, 26.7.4).
double student_within(double t, int freedom) {
  const double angle = std::atan(t / std::sqrt(freedom)), sine = std::sin(angle), cosine = std::cos(angle);
  const bool odd = freedom % 2 == 1;
  double term = odd ? cosine : 1, series = freedom == 1 ? 0 : term;
  for (int k = odd ? 3 : 2; k <= freedom - 2; k += 2) {
    term *= cosine * cosine * (k - 1) / k;
    series += term;
  }
  return odd ? 2 / std::numbers::pi * (angle + sine * series) : sine * series;
}

/// The t with student_within(t) = share.
double student_point(double share, int freedom) {
  double low = 0, high = 1;
  while (student_within(high, freedom) < share) high *= 2;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (student_within(middle, freedom) < share ? low : high) = middle;
  }
  return high;
}

/// The values between which all but the tails lie; rounded outwards to places that exist. Sorts `values`.
template <class T>
std::pair<T, T> between_tails(std::vector<T>& values, double tail) {
  std::ranges::sort(values);
  const auto last = static_cast<double>(values.size() - 1);
  return {values[static_cast<std::size_t>(std::floor(tail * last))],
          values[static_cast<std::size_t>(std::ceil((1 - tail) * last))]};
}

/// The resampled scores of each item in turn, [items, resamples], scaled to the score's mean; empty where any is not finite.
std::vector<std::vector<double>> corrected(std::span<const double> scores, std::span<const double> resampled) {
  const std::size_t items = scores.size();
  std::vector<std::vector<double>> draws(items);
  for (std::size_t i = 0; i < items; ++i) {
    double sum = 0;
    for (std::size_t at = i; at < resampled.size(); at += items) sum += resampled[at];
    if (!std::isfinite(sum) || !std::isfinite(scores[i])) continue;
    const double count = static_cast<double>(resampled.size() / items), factor = sum > 0 ? scores[i] * count / sum : 1;
    for (std::size_t at = i; at < resampled.size(); at += items) draws[i].push_back(resampled[at] * factor);
  }
  return draws;
}

}  // namespace

Resamples::Resamples(int groups, int count, std::uint64_t seed)
    : groups_(groups), count_(count), draws_(static_cast<std::size_t>(groups) * static_cast<std::size_t>(count)) {
  Random random(mix(seed, hash("bootstrap")));
  for (int r = 0; r < count; ++r) {
    int* draws = draws_.data() + static_cast<std::size_t>(r) * static_cast<std::size_t>(groups);
    for (int drawn = 0; drawn < groups; ++drawn) ++draws[random.below(static_cast<std::uint64_t>(groups))];
  }
}

std::span<const int> Resamples::draws(int r) const {
  const auto groups = static_cast<std::size_t>(groups_);
  return std::span(draws_).subspan(static_cast<std::size_t>(r) * groups, groups);
}

double tail_share(int groups) {
  const double freedom = groups - 1, t = student_point(0.95, groups - 1);
  return 0.5 * std::erfc(t * std::sqrt(groups / freedom) / std::numbers::sqrt2);
}

std::vector<ItemInterval> bootstrap_intervals(std::span<const double> scores, std::span<const double> resampled, int groups) {
  const std::size_t items = scores.size(), count = resampled.size() / items;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<double>> draws = corrected(scores, resampled);

  std::vector<std::vector<int>> ranks(items);
  std::vector<double> resample(items);
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t i = 0; i < items; ++i) resample[i] = draws[i].empty() ? nan : draws[i][r];
    const Ranking ranking = rank(resample);
    for (std::size_t i = 0; i < items; ++i) ranks[i].push_back(ranking.rank[i]);
  }

  const double tail = tail_share(groups);
  const Ranking ranking = rank(scores);
  std::vector<ItemInterval> intervals(items);
  for (std::size_t i = 0; i < items; ++i) {
    const int place = ranking.rank[i];
    if (draws[i].empty()) {
      intervals[i] = {nan, nan, place, place};
      continue;
    }
    const auto [score_low, score_high] = between_tails(draws[i], tail);
    const auto [rank_low, rank_high] = between_tails(ranks[i], tail);
    intervals[i] = {std::min(score_low, scores[i]), std::max(score_high, scores[i]), std::min(rank_low, place),
                    std::max(rank_high, place)};
  }
  return intervals;
}

}  // namespace safer
