#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "criteria/ranking.h"

namespace safer {

/// What a measurement has settled about the order of some items: pairs (more important, less important).
struct PartialOrder {
  std::size_t items = 0;
  std::vector<std::pair<int, int>> pairs = {};

  /// Whether the order of every settled pair is that of the ranking: the ranking is a linear extension. A tie is not an order, and
  /// a failed item is above nothing and below nothing.
  bool allows(const Ranking& ranking) const;
  /// The share of all pairs that is not settled; 0 for fewer than two items.
  double open() const;
};

/// A mean and its standard error.
struct Estimate {
  double mean = 0, error = 0;
};
/// Over independent values; the error of a single one is NaN.
Estimate estimate(const std::vector<double>& values);

/// When the difference of two means counts as settled although one looks again and again: a two-sided t-test of paired differences
/// at the level (1 - confidence) / (looks x pairs). By Bonferroni's inequality no pair of a measurement is ever called settled
/// wrongly with at least the probability `confidence`, whatever the rule by which items stop being drawn (as far as means of
/// `first` or more draws are normal).
class SettlingTest {
 public:
  SettlingTest(double confidence, int looks, int pairs);
  /// Whether the mean of a[k] - b[k] over the draws that both have differs from 0: +1, -1, or 0 where that is open.
  int sign(const std::vector<double>& a, const std::vector<double>& b) const;
  /// How many standard errors the mean of `draws` differences must be from 0.
  double threshold(std::size_t draws) const;

 private:
  double z_;  // quantile of the normal distribution
};

}  // namespace safer
