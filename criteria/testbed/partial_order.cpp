#include "criteria/testbed/partial_order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace safer {
namespace {

/// z with P(|Z| > z) = p for a normal Z: erfc(z / sqrt 2) falls, so halving an interval finds it.
double two_sided_quantile(double p) {
  double low = 0, high = 40;
  for (int step = 0; step < 100; ++step) {
    const double middle = (low + high) / 2;
    (std::erfc(middle / std::numbers::sqrt2) > p ? low : high) = middle;
  }
  return high;
}

}  // namespace

bool PartialOrder::allows(const Ranking& ranking) const {
  return std::ranges::all_of(pairs, [&](const std::pair<int, int>& pair) {
    const auto above = static_cast<std::size_t>(pair.first), below = static_cast<std::size_t>(pair.second);
    return !ranking.failed[above] && !ranking.failed[below] && ranking.rank[above] < ranking.rank[below];
  });
}

double PartialOrder::open() const {
  const double all = static_cast<double>(items) * (static_cast<double>(items) - 1) / 2;
  return all > 0 ? 1 - static_cast<double>(pairs.size()) / all : 0;
}

Estimate estimate(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, n > 1 ? std::sqrt(squares / (n - 1) / n) : std::numeric_limits<double>::quiet_NaN()};
}

SettlingTest::SettlingTest(double confidence, int looks, int pairs)
    : z_(two_sided_quantile((1 - confidence) / (std::max(1, looks) * std::max(1, pairs)))) {}

double SettlingTest::threshold(std::size_t draws) const {
  // Student's quantile from the normal one (Fisher & Cornish 1960), good to 1 % from 16 degrees of freedom on.
  const double v = static_cast<double>(draws) - 1, z2 = z_ * z_;
  if (v < 1) return std::numeric_limits<double>::infinity();
  return z_ * (1 + (z2 + 1) / (4 * v) + ((5 * z2 + 16) * z2 + 3) / (96 * v * v) +
               (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v));
}

int SettlingTest::sign(const std::vector<double>& a, const std::vector<double>& b) const {
  const std::size_t draws = std::min(a.size(), b.size());
  std::vector<double> difference(draws);
  for (std::size_t k = 0; k < draws; ++k) difference[k] = a[k] - b[k];
  const auto [mean, error] = estimate(difference);
  if (!std::isfinite(mean) || !(std::abs(mean) > threshold(draws) * error)) return 0;
  return mean > 0 ? 1 : -1;
}

}  // namespace safer
