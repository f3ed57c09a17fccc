#include "criteria/testbed/partial_order.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/random.h"
#include "tests/criteria/numbers.h"

using namespace safer;

namespace {

using Scores = std::vector<double>;

}  // namespace

TEST_CASE("partial order: a ranking must order every settled pair, strictly") {
  const PartialOrder order{4, {{0, 1}, {0, 2}, {1, 3}}};  // 1 and 2, 2 and 3, 0 and 3 are open
  CHECK(order.open() == 0.5);
  CHECK(order.allows(rank(Scores{4, 3, 2, 1})));
  CHECK(order.allows(rank(Scores{4, 2, 3, 1})));
  CHECK(order.allows(rank(Scores{4, 2, 1, 1})));  // a tie of what is open
  CHECK_FALSE(order.allows(rank(Scores{4, 4, 3, 1})));
  CHECK_FALSE(order.allows(rank(Scores{3, 4, 2, 1})));
}

TEST_CASE("partial order: a constant score and a NaN never follow it") {
  const PartialOrder order{3, {{0, 1}}};
  CHECK_FALSE(order.allows(rank(Scores{7, 7, 7})));
  CHECK_FALSE(order.allows(rank(Scores{2, test::nan, 1})));  // ranked last, which would be right by accident
  CHECK_FALSE(order.allows(rank(Scores{test::nan, 1, 2})));
  CHECK(order.allows(rank(Scores{2, 1, test::nan})));  // not part of a settled pair
}

TEST_CASE("estimate: mean and standard error by hand") {
  const Estimate of = estimate({1, 2, 3, 6});
  CHECK(of.mean == 3);
  CHECK(of.error == doctest::Approx(std::sqrt(14.0 / 3 / 4)));
  CHECK(std::isnan(estimate({1}).error));
  CHECK(std::isnan(estimate({1, test::nan}).mean));
}

TEST_CASE("settling: thresholds are Student's quantiles of the shared level") {
  // Tables of Student's t, two-sided: 5 % at 30 degrees of freedom; 1 % at 60; and the normal limit.
  CHECK(SettlingTest(0.95, 1, 1).threshold(31) == doctest::Approx(2.0423).epsilon(1e-4));
  CHECK(SettlingTest(0.95, 5, 1).threshold(61) == doctest::Approx(2.6603).epsilon(1e-4));
  CHECK(SettlingTest(0.95, 1, 5).threshold(100'000'000) == doctest::Approx(2.5758).epsilon(1e-4));
  CHECK(std::isinf(SettlingTest(0.95, 1, 1).threshold(1)));
}

TEST_CASE("settling: differences are paired over the common draws, and NaN settles nothing") {
  const SettlingTest test(0.95, 5, 10);
  Random random(3);
  Scores a, b;
  for (int k = 0; k < 64; ++k) {
    const double shared = 10 * random.normal();  // cancels in the difference
    a.push_back(shared + 1 + 0.1 * random.normal());
    b.push_back(shared);
  }
  CHECK(test.sign(a, b) == 1);
  CHECK(test.sign(b, a) == -1);
  CHECK(test.sign(a, a) == 0);
  b.resize(32);
  CHECK(test.sign(a, b) == 1);
  b[5] = test::nan;
  CHECK(test.sign(a, b) == 0);
  CHECK(test.sign(Scores(40, 2.0), Scores(40, 1.0)) == 1);  // no spread at all
}

TEST_CASE("settling: many looks at equal items rarely call any pair settled, even when damages are skewed") {
  constexpr int items = 5, experiments = 400;
  const SettlingTest test(0.95, 6, items * (items - 1) / 2);
  Random random(11);
  int wrong = 0;
  for (int experiment = 0; experiment < experiments; ++experiment) {
    std::vector<Scores> values(items);
    bool settled = false;
    for (std::size_t draws = 32; draws <= 1024; draws *= 2) {
      for (Scores& own : values)
        while (own.size() < draws) own.push_back(-std::log1p(-random.uniform()));  // exponential
      for (std::size_t i = 0; i < items; ++i)
        for (std::size_t j = 0; j < i; ++j) settled = settled || test.sign(values[i], values[j]) != 0;
    }
    wrong += settled;
  }
  CHECK(wrong <= 0.05 * experiments);
}
