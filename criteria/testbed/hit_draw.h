#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/random.h"

namespace safer {

/// Draws which of n things are hit, each by itself with probability p, under the condition that at least one is: where hits are
/// rare, draws without any would say nothing that some_hit() does not.
class HitDraw {
 public:
  /// n > 0 and 0 <= p <= 1.
  HitDraw(std::size_t n, double p) : n_(n), p_(p), some_hit_(p < 1 ? -std::expm1(static_cast<double>(n) * std::log1p(-p)) : 1) {}
  /// The probability of the condition.
  double some_hit() const { return some_hit_; }

  /// hit(i) for each i of a draw, in rising order; nothing where p is 0.
  template <class Hit>
  void operator()(std::uint64_t key, const Hit& hit) const {
    if (p_ <= 0) return;
    if (p_ < rare)
      by_gaps(key, hit);
    else
      while (!one_by_one(key, hit)) key = mix(key, 1);
  }

 private:
  static constexpr double rare = 0.1;

  /// Gaps between hits are geometric; the first is so under the condition that it ends before n.
  template <class Hit>
  void by_gaps(std::uint64_t key, const Hit& hit) const {
    Random random(key);
    const double miss = std::log1p(-p_), last = static_cast<double>(n_ - 1);
    for (double i = std::min(last, std::floor(std::log1p(-random.uniform() * some_hit_) / miss)); i <= last;
         i += 1 + std::floor(std::log1p(-random.uniform()) / miss))
      hit(static_cast<std::size_t>(i));
  }

  template <class Hit>
  bool one_by_one(std::uint64_t key, const Hit& hit) const {
    const RandomField field(key);
    std::array<float, 256> u;
    bool any = false;
    for (std::size_t first = 0; first < n_; first += u.size()) {
      const std::size_t count = std::min(u.size(), n_ - first);
      field.uniform(0, first, std::span(u).first(count));
      for (std::size_t i = 0; i < count; ++i)
        if (u[i] < static_cast<float>(p_)) hit(first + i), any = true;
    }
    return any;
  }

  std::size_t n_;
  double p_, some_hit_;
};

}  // namespace safer
