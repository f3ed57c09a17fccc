#include "criteria/relevance/guided_path.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "engine/random.h"
#include "tests/criteria/numbers.h"

namespace safer {
namespace {

using Values = std::vector<double>;
using Gradient = std::function<Values(std::span<const double>)>;

Values random_values(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  Values values(n);
  for (double& value : values) value = random.normal();
  return values;
}

struct Walked {
  Values attribution, end;
  int gradients = 0;
};

Walked walk(const Values& from, const Values& to, int steps, double fraction, double distance, const Gradient& gradient) {
  GuidedPath path(from, to, steps, fraction, distance);
  Walked walked;
  while (!path.done()) {
    path.advance(gradient(path.position()));
    ++walked.gradients;
  }
  walked.attribution.assign(path.attribution().begin(), path.attribution().end());
  walked.end.assign(path.position().begin(), path.position().end());
  return walked;
}

/// f = sum of sin(a_i x_i) + (sum of x_i / 10)^2
Values wavy(std::span<const double> x) {
  const double sum = test::total(x);
  Values g;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = 0.3 + 0.1 * static_cast<double>(i % 17);
    g.push_back(a * std::cos(a * x[i]) + 0.02 * sum);
  }
  return g;
}
double wavy_value(std::span<const double> x) {
  double f = 0.01 * test::total(x) * test::total(x);
  for (std::size_t i = 0; i < x.size(); ++i) f += std::sin((0.3 + 0.1 * static_cast<double>(i % 17)) * x[i]);
  return f;
}

}  // namespace

TEST_CASE("distance 0 is the straight path: integrated gradients with left endpoints") {
  const Values from = random_values(37, 1), to = random_values(37, 2);
  const int steps = 9;
  const Walked walked = walk(from, to, steps, 0.25, 0, wavy);
  Values expected(from.size());
  for (int t = 0; t < steps; ++t) {
    Values x;
    for (std::size_t i = 0; i < from.size(); ++i) x.push_back(from[i] + t * (to[i] - from[i]) / steps);
    const Values g = wavy(x);
    for (std::size_t i = 0; i < from.size(); ++i) expected[i] += g[i] * (to[i] - from[i]) / steps;
  }
  for (std::size_t i = 0; i < from.size(); ++i) CHECK(walked.attribution[i] == doctest::Approx(expected[i]).epsilon(1e-12));
}

TEST_CASE("it ends at its end, with one gradient a step, whatever the settings") {
  const Values from = random_values(101, 3);
  for (const int steps : {1, 2, 7, 50})
    for (const double fraction : {0.0, 0.1, 0.25, 1.0})
      for (const double distance : {0.0, 0.02, 0.1, 1.0}) {
        CAPTURE(steps);
        CAPTURE(fraction);
        CAPTURE(distance);
        const Values to = random_values(101, 4);
        const Walked walked = walk(from, to, steps, fraction, distance, wavy);
        CHECK(walked.gradients == steps);
        for (std::size_t i = 0; i < to.size(); ++i) CHECK(walked.end[i] == from[i] + (to[i] - from[i]));
      }
}

TEST_CASE("linear functions are integrated exactly, for any number of steps") {
  const Values from = random_values(40, 5), to = random_values(40, 6), slope = random_values(40, 7);
  for (const int steps : {1, 3, 50}) {
    const Walked walked = walk(from, to, steps, 0.25, 0.1, [&](std::span<const double>) { return slope; });
    for (std::size_t i = 0; i < from.size(); ++i)
      CHECK(walked.attribution[i] == doctest::Approx(slope[i] * (to[i] - from[i])).epsilon(1e-12));
  }
}

TEST_CASE("the total tends to the difference of the function") {
  const Values from = random_values(60, 8), to(60);
  const double change = wavy_value(to) - wavy_value(from);
  double before = std::numeric_limits<double>::infinity();
  for (const int steps : {25, 100, 400, 1600}) {
    const double error = std::abs(test::total(walk(from, to, steps, 0.25, 0.1, wavy).attribution) - change);
    CHECK(error < 0.5 * before);
    before = error;
  }
  CHECK(before < 2e-3 * std::abs(change));
}

TEST_CASE("each step takes its share of the way, within the distance, and small gradients move first") {
  const Values from = random_values(80, 9), to(80);
  const int steps = 20;
  const double distance = 0.1;
  GuidedPath path(from, to, steps, 0.25, distance);
  double length = 0;
  for (const double value : from) length += std::abs(value);
  for (int t = 1; t <= steps; ++t) {
    const Values before(path.position().begin(), path.position().end()), g = wavy(before);
    path.advance(g);
    const double along = t / static_cast<double>(steps);
    double left = 0, largest_moved = 0, smallest_unmoved = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < from.size(); ++i) {
      const double share = 1 - path.position()[i] / from[i], old_share = 1 - before[i] / from[i];
      left += std::abs(path.position()[i]);
      CHECK(share >= std::max(0.0, along - distance) - 1e-12);
      CHECK(share <= std::min(1.0, along + distance) + 1e-12);
      if (share > std::max(old_share, along - distance) + 1e-12) largest_moved = std::max(largest_moved, std::abs(g[i]));
      if (share < std::min(1.0, along + distance) - 1e-12 && share <= old_share + 1e-12)
        smallest_unmoved = std::min(smallest_unmoved, std::abs(g[i]));
    }
    CHECK(left == doctest::Approx(length * (1 - along)).epsilon(1e-8));
    CHECK(largest_moved <= smallest_unmoved * (1 + 1e-4));
  }
}

TEST_CASE("by hand: two of four coordinates first, then the others") {
  // Half the way in the first step: the two with the smallest gradients, and these as far as they may go.
  GuidedPath path(Values{1, 1, 1, 1}, Values{0, 0, 0, 0}, 2, 0.5, 0.5);
  path.advance(Values{4, 1, -2, 3});
  CHECK(Values(path.position().begin(), path.position().end()) == Values{1, 0, 0, 1});
  path.advance(Values{5, 7, 7, 6});
  CHECK(Values(path.attribution().begin(), path.attribution().end()) == Values{-5, -1, 2, -6});
}

TEST_CASE("gradients of nearly one size move together") {
  GuidedPath path(Values{1, 1, 1, 1}, Values{0, 0, 0, 0}, 2, 0.3, 0.5);  // the first of four is chosen, and what equals it
  path.advance(Values{1, -1.00005, 1.0002, 3});
  CHECK(Values(path.position().begin(), path.position().end()) == Values{0, 0, 1, 1});
}

TEST_CASE("coordinates that need not move have attribution 0") {
  const Values from = {1, 0, 2, -3};
  const Walked walked = walk(from, {0, 0, 2, 0}, 10, 0.25, 0.1, [](std::span<const double>) { return Values{1, 0, 1e-3, 2}; });
  CHECK(walked.attribution[1] == 0);
  CHECK(walked.attribution[2] == 0);
  CHECK(walked.attribution[3] == doctest::Approx(6));
  CHECK(walk({1, 2}, {1, 2}, 5, 0.25, 0.1, wavy).attribution == Values{0, 0});
}

TEST_CASE("equal gradients, zeros among them, end too") {
  const Walked walked = walk(Values(9, 2.0), Values(9), 6, 0.25, 0.1, [](std::span<const double>) { return Values(9, 0.0); });
  CHECK(walked.attribution == Values(9, 0.0));
  CHECK(walked.end == Values(9, 0.0));
}

TEST_CASE("a gradient that is no number ends the path, with NaN") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    GuidedPath path(Values{1, 1, 1}, Values{0, 0, 0}, 5, 0.25, 0.1);
    path.advance(Values{1, 2, 3});
    path.advance(Values{1, bad, 3});
    CHECK(path.done());
    for (const double value : path.attribution()) CHECK(std::isnan(value));
  }
}

}  // namespace safer
