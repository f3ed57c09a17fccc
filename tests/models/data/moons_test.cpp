#include "models/data/moons.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numbers>
#include <set>
#include <utility>
#include <vector>

#include "engine/error.h"

using namespace safer;

namespace {

using Point = std::pair<float, float>;

std::vector<Point> points(const Dataset& data, std::int64_t label) {
  std::vector<Point> found;
  const auto values = data.inputs.values<float>();
  for (std::size_t i = 0; i < data.labels.size(); ++i)
    if (data.labels[i] == label) found.emplace_back(values[2 * i], values[2 * i + 1]);
  std::ranges::sort(found);
  return found;
}

/// `count` points of the half circle from 0 to pi around 0, or the one turned over and shifted by (1, 0.5).
std::vector<Point> arc(int count, bool inner) {
  std::vector<Point> found;
  for (int i = 0; i < count; ++i) {
    const std::complex<double> unit = std::polar(1.0, count == 1 ? 0.0 : std::numbers::pi * i / (count - 1));
    const std::complex<double> at = inner ? std::complex(1.0, 0.5) - unit : unit;
    found.emplace_back(static_cast<float>(at.real()), static_cast<float>(at.imag()));
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace

TEST_CASE("moons: without noise the points are evenly spaced on two half circles") {
  for (const int n : {1, 2, 3, 7, 10, 101}) {
    CAPTURE(n);
    const Dataset data = make_moons(n, 0, 5);
    CHECK(data.inputs.shape() == Shape{n, 2});
    CHECK(data.classes == 2);
    for (const bool inner : {false, true}) {
      CAPTURE(inner);
      const int count = inner ? n - n / 2 : n / 2;
      const std::vector<Point> found = points(data, inner), expected = arc(count, inner);
      REQUIRE(found.size() == expected.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        CHECK(std::abs(found[i].first - expected[i].first) < 1e-6f);
        CHECK(std::abs(found[i].second - expected[i].second) < 1e-6f);
      }
    }
  }
}

TEST_CASE("moons: the noise is normal, on both coordinates alike, and independent") {
  constexpr int n = 20000;
  // The order is drawn before the noise, so it is the same with and without.
  const Dataset clean = make_moons(n, 0, 9), noisy = make_moons(n, 0.3, 9);
  REQUIRE(clean.labels == noisy.labels);
  double sum[2] = {}, square[2] = {}, fourth[2] = {}, product = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double e[2];
    for (std::size_t c = 0; c < 2; ++c) {
      e[c] = (double{noisy.inputs.values<float>()[2 * i + c]} - double{clean.inputs.values<float>()[2 * i + c]}) / 0.3;
      sum[c] += e[c];
      square[c] += e[c] * e[c];
      fourth[c] += std::pow(e[c], 4);
    }
    product += e[0] * e[1];
  }
  // Five standard errors: those of the mean, the variance and the fourth moment of N(0, 1) are 1, sqrt 2 and sqrt 96 over sqrt n.
  const double five = 5 / std::sqrt(n);
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(std::abs(sum[c] / n) < five);
    CHECK(std::abs(square[c] / n - 1) < five * std::sqrt(2));
    CHECK(std::abs(fourth[c] / n - 3) < five * std::sqrt(96));
  }
  CHECK(std::abs(product / n) < five);
}

TEST_CASE("moons: shuffled, the same for the same seed, another for another") {
  const Dataset data = make_moons(1000, 0.1, 1), again = make_moons(1000, 0.1, 1), other = make_moons(1000, 0.1, 2);
  CHECK(data.name == "moons:n=1000,noise=0.1,seed=1");
  CHECK(std::ranges::count(data.labels, 0) == 500);
  // Hypergeometric: mean 50, standard deviation 4.7.
  CHECK(std::abs(std::count(data.labels.begin(), data.labels.begin() + 100, 0) - 50) < 24);
  CHECK(std::memcmp(data.inputs.raw(), again.inputs.raw(), data.inputs.bytes()) == 0);
  CHECK(data.labels == again.labels);
  CHECK(std::memcmp(data.inputs.raw(), other.inputs.raw(), data.inputs.bytes()) != 0);
}

TEST_CASE("moons: no point of one split is in another") {
  std::set<Point> all;
  for (const Split split : {Split::training, Split::calibration, Split::test})
    for (const std::int64_t label : {0, 1})
      for (const Point& point : points(make_moons(1000, 0.1, 1, split), label)) all.insert(point);
  CHECK(all.size() == 3000);
}

TEST_CASE("moons: refuses sizes and noises that make no sense") {
  CHECK_THROWS_WITH_AS(make_moons(0, 0.1, 1), "moons: n = 0 points, expected 1 to 100000000", Error);
  CHECK_THROWS_WITH_AS(make_moons(1'000'000'000'000, 0.1, 1), "moons: n = 1000000000000 points, expected 1 to 100000000", Error);
  CHECK_THROWS_WITH_AS(make_moons(10, -1, 1), "moons: noise = -1, expected a finite number from 0", Error);
  CHECK_THROWS_WITH_AS(make_moons(10, std::numeric_limits<double>::quiet_NaN(), 1),
                       "moons: noise = nan, expected a finite number from 0", Error);
}
