#include "criteria/damage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace safer;

namespace {
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
}

TEST_CASE("damage: distances by hand") {
  DamageMeter meter(2, 2);
  const std::vector<std::int64_t> labels = {0, 1};
  meter.set_clean(std::vector<float>{1, 0, 0, 2}, labels);
  const Damages none = meter.compare(std::vector<float>{1, 0, 0, 2});
  CHECK(none == Damages{0, 0, 0});
  const Damages some = meter.compare(std::vector<float>{4, 4, 3, 2});  // moved by (3, 4) and (3, 0)
  CHECK(of(some, Damage::logits) == doctest::Approx((5 + 3) / 2.0));
  const double first = std::sqrt(2.0) * (1 / (1 + std::exp(-1.0)) - 0.5);
  const double second = std::sqrt(2.0) * (1 / (1 + std::exp(-2.0)) - 1 / (1 + std::exp(1.0)));
  CHECK(of(some, Damage::probabilities) == doctest::Approx((first + second) / 2));
  CHECK(of(some, Damage::accuracy) == 0.5);  // the first of equals stays right, the second is lost
}

TEST_CASE("damage: a wrong answer that becomes right is a gain") {
  DamageMeter meter(1, 2);
  meter.set_clean(std::vector<float>{1, 0}, std::vector<std::int64_t>{1});
  CHECK(of(meter.compare(std::vector<float>{0, 1}), Damage::accuracy) == -1);
}

TEST_CASE("damage: without labels the network's own answers are right") {
  DamageMeter meter(2, 3);
  meter.set_clean(std::vector<float>{0, 5, 0, 0, 0, 5}, {});
  CHECK(of(meter.compare(std::vector<float>{0, 5, 0, 0, 6, 5}), Damage::accuracy) == 0.5);
}

TEST_CASE("damage: one logit is a probability by the logistic function") {
  DamageMeter meter(1, 1);
  meter.set_clean(std::vector<float>{2}, std::vector<std::int64_t>{1});
  const Damages damages = meter.compare(std::vector<float>{-1});
  CHECK(of(damages, Damage::logits) == 3);
  CHECK(of(damages, Damage::probabilities) == doctest::Approx(1 / (1 + std::exp(-2.0)) - 1 / (1 + std::exp(1.0))));
  CHECK(of(damages, Damage::accuracy) == 1);
}

TEST_CASE("damage: two logits have the bits of the general formula, whichever is larger") {
  const auto general = [](float a, float b) {
    const double largest = std::max(a, b), ea = std::exp(a - largest), eb = std::exp(b - largest), sum = ea + eb;
    const double da = ea / sum - 0.5, db = eb / sum - 0.5;
    return std::sqrt(da * da + db * db);
  };
  constexpr float infinity = std::numeric_limits<float>::infinity();
  DamageMeter meter(1, 2);
  meter.set_clean(std::vector<float>{0, 0}, {});
  for (const float a : {-300.5f, -2.25f, -0.0f, 0.0f, 0.3f, 1e-20f, 88.0f})
    for (const float b : {-infinity, -2.5f, 0.0f, 0.1f, 7.75f, 1e30f}) {
      CAPTURE(a);
      CAPTURE(b);
      CHECK(of(meter.compare(std::vector<float>{a, b}), Damage::probabilities) == general(a, b));
      CHECK(of(meter.compare(std::vector<float>{b, a}), Damage::probabilities) == general(b, a));
    }
  CHECK(std::isnan(of(meter.compare(std::vector<float>{infinity, 0}), Damage::probabilities)));
  CHECK(std::isnan(of(meter.compare(std::vector<float>{-infinity, -infinity}), Damage::probabilities)));
}

TEST_CASE("damage: NaN is not hidden, and never right") {
  DamageMeter meter(1, 2);
  meter.set_clean(std::vector<float>{1, 0}, std::vector<std::int64_t>{0});
  for (const std::vector<float>& broken : {std::vector<float>{not_a_number, 0}, std::vector<float>{1, not_a_number}}) {
    const Damages damages = meter.compare(broken);
    CHECK(std::isnan(of(damages, Damage::logits)));
    CHECK(std::isnan(of(damages, Damage::probabilities)));
    CHECK(of(damages, Damage::accuracy) == 1);
  }
  const Damages infinite = meter.compare(std::vector<float>{1e30f * 1e30f, 0});
  CHECK_FALSE(std::isfinite(of(infinite, Damage::logits)));
  CHECK_FALSE(std::isfinite(of(infinite, Damage::probabilities)));
}
