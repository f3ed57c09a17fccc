#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace safer {

/// Grouped bootstrap: the samples lie in disjoint groups of (nearly) equal size, of which only sums are kept; a resample draws as
/// many groups as there are, with replacement. Keeping each sample's own weight gradient would cost samples x weights.
class Resamples {
 public:
  Resamples(int groups, int count, std::uint64_t seed);
  int groups() const { return groups_; }
  int count() const { return count_; }
  /// How often resample r draws each group.
  std::span<const int> draws(int r) const;
  /// All of them: [count, groups].
  std::span<const int> all() const { return draws_; }

 private:
  int groups_, count_;
  std::vector<int> draws_;
};

struct ItemInterval {
  double score_low = 0, score_high = 0;
  int rank_low = 0, rank_high = 0;
};

/// 95 % percentile intervals for the scores and ranks of items; `resampled`: [resamples, items], not negative, as scores are.
/// Two corrections, both towards what another calibration set of the same size would give:
/// - Bias. The magnitude of a mean grows under resampling (noise is added to noise), so an item's resampled scores are scaled to
///   have the score itself as their mean.
/// - Few groups. The tails are taken at Phi(-t sqrt(G / (G - 1))), t the 2.5 % point of Student's distribution with G - 1 degrees
/// of
///   freedom (Hesterberg 2015, "What teachers should know about the bootstrap", expanded percentile interval), instead of 2.5 %.
/// An item with a score that is not finite has no interval: NaN, and its rank alone.
/// groups >= 2.
std::vector<ItemInterval> bootstrap_intervals(std::span<const double> scores, std::span<const double> resampled, int groups);

/// The share of resamples to leave out at either end; groups >= 2.
double tail_share(int groups);

}  // namespace safer
