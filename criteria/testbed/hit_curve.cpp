#include "criteria/testbed/hit_curve.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace safer {
namespace {

/// The mean of f(k) over the binomial distribution of n trials.
template <class F>
double binomial_mean(double n, double p, const F& f) {
  constexpr double wide = 64, negligible = 1e-9;
  const double variance = n * p * (1 - p);
  if (variance > wide) {  // nearly normal, and f nearly straight: Gauss-Hermite quadrature
    const double step = std::numbers::sqrt3 * std::sqrt(variance);
    return f(n * p) * 2 / 3 + (f(n * p - step) + f(n * p + step)) / 6;
  }
  const double mode = std::min(n, std::floor((n + 1) * p)), odds = p / (1 - p);
  double sum = f(mode), weights = 1;
  double weight = 1;
  for (double k = mode; k < n && weight > negligible; ++k) {
    weight *= (n - k) / (k + 1) * odds;
    sum += weight * f(k + 1);
    weights += weight;
  }
  weight = 1;
  for (double k = mode; k > 0 && weight > negligible; --k) {
    weight *= k / (n - k + 1) / odds;
    sum += weight * f(k - 1);
    weights += weight;
  }
  return sum / weights;
}

}  // namespace

HitCurve::HitCurve(std::int64_t n, std::span<const double> probabilities) : n_(n) {
  constexpr std::int64_t dense = 32;
  for (std::int64_t k = 1; k < n; k += k < dense ? 1 : k / 10) grid_.push_back(k);
  grid_.push_back(n);
  std::vector<bool> read(grid_.size());
  const auto mark = [&](double k) {
    const std::size_t place = std::min(above(k), grid_.size() - 1);
    read[place] = true;
    if (place > 0) read[place - 1] = true;
    return 0.0;
  };
  for (const double p : probabilities) binomial_mean(static_cast<double>(n), p, mark);
  std::size_t kept = 0;
  for (std::size_t place = 0; place < grid_.size(); ++place)
    if (read[place]) grid_[kept++] = grid_[place];
  grid_.resize(kept);
  sums_.resize(kept);
  weights_.resize(kept);
}

std::size_t HitCurve::above(double k) const {
  const auto number = [](std::int64_t count) { return static_cast<double>(count); };
  return static_cast<std::size_t>(std::ranges::lower_bound(grid_, k, {}, number) - grid_.begin());
}

double HitCurve::mean(double p) const {
  return binomial_mean(static_cast<double>(n_), p, [this](double k) { return at(k); });
}

double HitCurve::at(double k) const {
  const auto value = [this](std::size_t place) { return sums_[place] / weights_[place]; };
  const std::size_t place = above(k);
  if (place == grid_.size()) return value(place - 1);
  const double low = place == 0 ? 0 : static_cast<double>(grid_[place - 1]), high = static_cast<double>(grid_[place]);
  const double part = (k - low) / (high - low), below = place == 0 ? 0 : value(place - 1);
  return below + part * (value(place) - below);
}

}  // namespace safer
