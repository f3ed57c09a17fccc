#include "tools/ranking_cost.h"

#include <doctest/doctest.h>

#include "models/data/moons.h"
#include "models/model_spec.h"

using namespace safer;
using namespace safer::commands;

TEST_CASE("ranking cost: counted by hand") {
  const Network network = untrained_model("moons-vanilla:depth=2,width=8");  // three layers
  RankOptions options{.criteria = {"ig"}, .steps = 10};
  const auto check = [&](const RankOptions& chosen, std::int64_t forward, std::int64_t reverse) {
    const Passes passes = count_passes(network, chosen);
    CHECK(passes.forward == forward);
    CHECK(passes.reverse == reverse);
  };
  check(options, 30, 30);
  options.path = "joint";
  check(options, 10, 10);
  check({.criteria = {"gradient", "weight-x-gradient", "weight"}}, 1, 1);
  check({.criteria = {"fisher"}}, 1, 2);  // a sweep for each class
  check({.criteria = {"hsic"}, .masks = 20}, 60, 0);
  check({.criteria = {"perturbation"}}, 1 + 3 * 12, 0);
}

TEST_CASE("ranking cost: said beforehand where it is more than a minute, with a cheaper way") {
  const Network network = untrained_model("moons-vanilla:depth=2,width=8");
  RankOptions options{.criteria = {"ig"}, .steps = 10};
  CHECK(cost_remark(network, options, 100, 0.019).empty());
  CHECK(cost_remark(network, options, 100, 1) ==
        "safer rank: this will take up to 50 min: 30 forward and 30 reverse passes over 100 samples; with --path joint, which "
        "moves all layers at once, "
        "up to "
        "17 min\n");
  options.path = "joint";
  CHECK(cost_remark(network, options, 100, 1) ==
        "safer rank: this will take up to 17 min: 10 forward and 10 reverse passes over 100 samples\n");
  options = {.criteria = {"ig", "gradient"}, .steps = 1000};
  CHECK(cost_remark(network, options, 100, 1) ==
        "safer rank: this will take up to 83.4 h: 3,001 forward and 3,001 reverse passes over 100 samples; ig alone up to 83.3 h; "
        "with --path joint, which "
        "moves "
        "all layers at once, up to 27.8 h\n");
}

TEST_CASE("ranking cost: a pass is measured, or takes no time where the data does not fit") {
  const Network network = untrained_model("moons-vanilla:depth=2,width=8");
  Dataset data = make_moons(20, 0.1, 0);
  CHECK(pass_seconds(network, data, {}) > 0);
  data.inputs = Tensor(DType::f32, {20, 3});
  CHECK(pass_seconds(network, data, {}) == 0);
  CHECK(pass_seconds(network, {}, {}) == 0);
}
