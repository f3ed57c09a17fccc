#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "engine/random.h"

namespace safer {

/// Draws which of n things are hit, each by itself with probability p, under the condition that at least one is: where hits are
/// rare, draws without any would say nothing that some_hit() does not. Takes time for each hit, not for each thing.
class HitDraw {
 public:
  /// n > 0 and 0 <= p <= 1.
  HitDraw(std::size_t n, double p)
      : last_(static_cast<double>(n - 1)),
        log_of_miss_(std::log1p(-p)),
        some_hit_(-std::expm1(static_cast<double>(n) * log_of_miss_)) {}
  /// The probability of the condition.
  double some_hit() const { return some_hit_; }

  /// hit(i) for each i of a draw, in rising order; nothing where p is 0.
  template <class Hit>
  void operator()(std::uint64_t key, const Hit& hit) const {
    if (log_of_miss_ == 0) return;
    // Gaps between hits are geometric; the first is so under the condition that it ends before n.
    Random random(key);
    for (double i = std::min(last_, std::floor(std::log1p(-random.uniform() * some_hit_) / log_of_miss_)); i <= last_;
         i += 1 + std::floor(std::log1p(-random.uniform()) / log_of_miss_))
      hit(static_cast<std::size_t>(i));
  }

 private:
  double last_, log_of_miss_, some_hit_;
};

}  // namespace safer
