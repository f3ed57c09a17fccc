#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace safer {

/// The mean damage when k of a layer's n weights are hit, any k of them alike, for k on a grid: each number up to 32, then steps of
/// a tenth, up to n, as far as the means over some probabilities need them. None hit: no damage.
class HitCurve {
 public:
  HitCurve(std::int64_t n, std::span<const double> probabilities);  // n > 0
  std::span<const std::int64_t> grid() const { return grid_; }
  /// One observation, or several with a weight each, of the damage at grid()[place].
  void add(std::size_t place, double damage, double weight) {
    sums_[place] += weight * damage;
    weights_[place] += weight;
  }
  /// The mean when each weight is hit with probability p, one of those given: over the binomial number k, linear between the points
  /// of the grid, all of which have observations.
  double mean(double p) const;

 private:
  std::size_t above(double k) const;  // the first place in the grid whose number is at least k
  double at(double k) const;

  std::int64_t n_;
  std::vector<std::int64_t> grid_;
  std::vector<double> sums_, weights_;
};

}  // namespace safer
