#include "criteria/reduction.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {
namespace {

std::vector<double> long_tailed_values(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> values(n);
  for (double& value : values) value = random.normal() * std::exp(3 * random.normal());
  return values;
}

double reduce(std::string_view name, const std::vector<double>& phi) { return find_reduction(name)(phi); }

/// What a reduction means, written as plainly as possible, in long double.
double plainly(std::string_view name, std::vector<double> s) {
  for (double& value : s) value = std::abs(value);
  std::sort(s.begin(), s.end());
  const auto n = static_cast<long double>(s.size());
  long double sum = 0, squares = 0;
  for (const double value : s) sum += value, squares += static_cast<long double>(value) * value;
  if (name == "mean") return static_cast<double>(sum / n);
  if (name == "l1") return static_cast<double>(sum);
  if (name == "l2") return static_cast<double>(std::sqrt(squares));
  if (name == "rms") return static_cast<double>(std::sqrt(squares / n));
  if (name == "linf") return s.back();
  REQUIRE(name.front() == 'p');
  const std::size_t percent = std::stoul(std::string(name.substr(1)));
  std::size_t below = 0;  // the largest place whose share of the way from first to last does not exceed percent / 100
  while (below + 1 < s.size() && (below + 1) * 100 <= percent * (s.size() - 1)) ++below;
  return s[below];
}

}  // namespace

TEST_CASE("every reduction agrees with its plain definition") {
  for (const Reduction& reduction : reductions())
    for (const std::size_t n : {1u, 2u, 3u, 7u, 8u, 9u, 100u, 101u, 4095u, 4096u, 4097u, 10001u}) {
      const std::vector<double> phi = long_tailed_values(n, n);
      CAPTURE(reduction.name);
      CAPTURE(n);
      CHECK(reduction(phi) == doctest::Approx(plainly(reduction.name, phi)).epsilon(1e-13));
    }
}

TEST_CASE("percentiles are those of numpy.percentile(method='lower')") {
  // numpy.percentile([1, 2, 3, 4], [50, 75, 90, 95, 99], method="lower") = [2, 3, 3, 3, 3], of range(1, 102): [51, 76, 91, 96, 100]
  const std::vector<double> four = {-3, 1, 4, -2};
  CHECK(reduce("p50", four) == 2);
  CHECK(reduce("p75", four) == 3);
  CHECK(reduce("p99", four) == 3);
  std::vector<double> many;
  for (int i = 101; i >= 1; --i) many.push_back(i);
  CHECK(reduce("p50", many) == 51);
  CHECK(reduce("p75", many) == 76);
  CHECK(reduce("p90", many) == 91);
  CHECK(reduce("p95", many) == 96);
  CHECK(reduce("p99", many) == 100);
}

TEST_CASE("norm inequalities hold") {
  for (const std::size_t n : {1u, 5u, 1000u}) {
    const std::vector<double> phi = long_tailed_values(n, 40 + n);
    CHECK(reduce("linf", phi) <= reduce("l2", phi));
    CHECK(reduce("l2", phi) <= reduce("l1", phi));
    CHECK(reduce("mean", phi) <= reduce("rms", phi) * (1 + 1e-15));
    CHECK(reduce("rms", phi) <= reduce("linf", phi) * (1 + 1e-15));
    CHECK(reduce("p50", phi) <= reduce("p75", phi));
    CHECK(reduce("p95", phi) <= reduce("p99", phi));
    CHECK(reduce("p99", phi) <= reduce("linf", phi));
  }
}

TEST_CASE("the order and the signs of the weights do not matter") {
  std::vector<double> phi = long_tailed_values(5000, 3);
  for (const Reduction& reduction : reductions()) {
    std::vector<double> other = phi;
    Random(9).shuffle<double>(other);
    for (std::size_t i = 0; i < other.size(); i += 2) other[i] = -other[i];
    CAPTURE(reduction.name);
    CHECK(reduction(other) == doctest::Approx(reduction(phi)).epsilon(1e-13));
  }
}

TEST_CASE("one NaN anywhere makes every reduction NaN, an infinity is no NaN") {
  for (const Reduction& reduction : reductions())
    for (const std::size_t place : {0u, 1u, 500u, 998u, 999u}) {
      std::vector<double> phi = long_tailed_values(1000, 5);
      phi[place] = std::numeric_limits<double>::quiet_NaN();
      CAPTURE(reduction.name);
      CAPTURE(place);
      CHECK(std::isnan(reduction(phi)));
    }
  const std::vector<double> infinite = {1, -std::numeric_limits<double>::infinity()};
  CHECK(reduce("linf", infinite) == std::numeric_limits<double>::infinity());
  CHECK(reduce("l2", infinite) == std::numeric_limits<double>::infinity());
  CHECK(reduce("p50", infinite) == 1);
}

TEST_CASE("zeros reduce to zero") {
  for (const Reduction& reduction : reductions()) CHECK(reduction(std::vector<double>(17)) == 0);
}

TEST_CASE("a reduction does not change its argument and gives the same bits again") {
  const std::vector<double> phi = long_tailed_values(20000, 8);
  for (const Reduction& reduction : reductions()) {
    const std::vector<double> before = phi;
    const double first = reduction(phi);
    CHECK(phi == before);
    CHECK(reduction(phi) == first);
  }
}

TEST_CASE("errors name what there is") {
  CHECK_THROWS_WITH_AS(find_reduction("L2"),
                       "unknown reduction 'L2'; choose one of: mean, p50, p75, p90, p95, p99, l1, l2, linf, rms", Error);
  for (const Reduction& reduction : reductions()) {
    const std::string message =
        "reduction '" + std::string(reduction.name) + "': no relevances to reduce; a layer needs at least one weight";
    CHECK_THROWS_WITH_AS(reduction({}), message.c_str(), Error);
    CHECK(&find_reduction(reduction.name) == &reduction);
    CHECK_FALSE(reduction.formula.empty());
  }
}

}  // namespace safer
