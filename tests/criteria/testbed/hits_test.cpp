// How often weights are hit, and what that makes of the damage.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "criteria/testbed/hit_curve.h"
#include "criteria/testbed/hit_draw.h"

using namespace safer;

namespace {

/// The mean of f over the binomial distribution, by its definition.
template <class F>
double binomial_mean(int n, double p, const F& f) {
  double sum = 0;
  for (int k = 0; k <= n; ++k)
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) + k * std::log(p) + (n - k) * std::log1p(-p)) *
           f(k);
  return sum;
}

template <class F>
HitCurve curve_of(std::int64_t n, std::vector<double> probabilities, const F& f) {
  HitCurve curve(n, probabilities);
  for (std::size_t place = 0; place < curve.grid().size(); ++place)
    curve.add(place, f(static_cast<double>(curve.grid()[place])), 0.5);
  return curve;
}

}  // namespace

TEST_CASE("hit curve: where means are wanted, numbers are close") {
  CHECK(HitCurve(1, std::vector{0.5}).grid().size() == 1);
  for (const std::int64_t n : {2, 31, 33, 1000, 1000000}) {
    const auto whole = static_cast<double>(n);
    for (const double p : {0.5 / whole, 0.3, 1.0}) {
      CAPTURE(n);
      CAPTURE(p);
      const HitCurve curve(n, std::vector{p});
      const auto grid = curve.grid();
      const double deviation = std::sqrt(whole * p * (1 - p));
      CHECK(static_cast<double>(grid.front()) <= std::max(1.0, whole * p - 1.5 * deviation));
      CHECK(static_cast<double>(grid.back()) >= std::min(whole, whole * p + 1.5 * deviation));
      for (std::size_t i = 1; i < grid.size(); ++i) CHECK(grid[i] > grid[i - 1]);
      if (deviation > 0 && deviation < 8)  // each number is likely enough to count
        for (std::size_t i = 1; i < grid.size(); ++i) CHECK(grid[i] - grid[i - 1] <= std::max<std::int64_t>(1, grid[i - 1] / 10));
    }
  }
  CHECK(HitCurve(100000, std::vector{0.1, 0.9}).grid().size() < 20);
}

TEST_CASE("hit curve: the mean over the binomial distribution") {
  const std::vector<double> probabilities = {0.0005, 0.01, 0.3, 0.5, 0.95};
  for (const int n : {1, 2, 20, 400, 5000})
    for (const double p : probabilities) {
      CAPTURE(n);
      CAPTURE(p);
      CHECK(curve_of(n, probabilities, [](double k) { return 3 * k; }).mean(p) == doctest::Approx(3 * n * p));
      const auto root = [](double k) { return std::sqrt(k); };
      const double mean = curve_of(n, {p}, root).mean(p);
      CHECK(mean == doctest::Approx(binomial_mean(n, p, root)).epsilon(1e-3));
      CHECK(mean == curve_of(n, probabilities, root).mean(p));
    }
  const HitCurve curve = curve_of(50, {0.0, 1.0}, [](double k) { return k * k; });
  CHECK(curve.mean(0) == 0);
  CHECK(curve.mean(1) == doctest::Approx(2500));
}

TEST_CASE("hit draw: each thing with its probability, in rising order, and never none") {
  constexpr int draws = 4000;
  for (const std::size_t n : {1u, 7u, 300u})
    for (const double p : {0.004, 0.09, 0.11, 0.7, 1.0}) {
      CAPTURE(n);
      CAPTURE(p);
      const HitDraw draw(n, p);
      CHECK(draw.some_hit() == doctest::Approx(1 - std::pow(1 - p, static_cast<double>(n))));
      std::vector<std::size_t> hits(n);
      bool rising = true, some = true;
      for (std::uint64_t key = 0; key < draws; ++key) {
        std::int64_t last = -1;
        draw(key, [&](std::size_t i) {
          rising = rising && static_cast<std::int64_t>(i) > last && i < n;
          last = static_cast<std::int64_t>(i);
          ++hits[i];
        });
        some = some && last >= 0;
      }
      CHECK(rising);
      CHECK(some);
      for (const std::size_t i : {std::size_t{0}, n / 2, n - 1}) {
        const double expected = p / draw.some_hit(), deviation = std::sqrt(expected * (1 - expected) / draws);
        CHECK(std::abs(static_cast<double>(hits[i]) / draws - expected) <= 5 * deviation + 1e-12);
      }
    }
  HitDraw(5, 0)(1, [](std::size_t) { FAIL("hit with probability 0"); });
}
