#include "engine/ops/target.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/golden/target_golden.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> target_cases() {
  const auto of = [](std::string op, std::string label, Var (*f)(Var, Var), std::int64_t classes, std::int64_t numbers,
                     const Draw& draw) {
    return OpCase{.op = std::move(op),
                  .label = std::move(label),
                  .record =
                      [=](Recording& r) {
                        return f(r.input("x", {1, classes}, draw), r.index("c", {1}, numbers));
                      },
                  .shareable = false};
  };
  return {
      of("pick", "5 classes", pick, 5, 5, {}),
      of("margin", "5 classes", margin, 5, 5, {.low = -3, .high = 3, .distinct = true}),
      of("margin", "2 classes", margin, 2, 2, {}),
      of("cross_entropy", "5 classes", cross_entropy, 5, 5, {-3, 3}),
      of("cross_entropy", "one logit", cross_entropy, 1, 2, {-3, 3}),
      {.op = "euclidean_norm",
       .label = "5 logits",
       .record =
           [](Recording& r) {
             return euclidean_norm(r.input("x", {1, 5}, {.low = 0.5, .high = 2}));
           },
       .shareable = false},
  };
}

namespace {

struct Rows {
  std::int64_t columns;
  std::vector<double> logits;
  std::vector<std::int64_t> classes;
};

template <class T = double>
Outcome run_target(Target target, const Rows& rows) {
  ByHand hand(static_cast<std::int64_t>(rows.classes.size()));
  const Var logits = hand.input({1, rows.columns}, rows.logits);
  return hand.run<T>(record_target(target, logits, hand.indices({1}, rows.classes)));
}

}  // namespace

TEST_CASE("target: values and gradients that PyTorch gives") {
  const Rows rows{
      3, {std::begin(golden::logits), std::end(golden::logits)}, {std::begin(golden::classes), std::end(golden::classes)}};
  REQUIRE(std::size(golden::targets) == target_count);
  for (const golden::TargetValues& expected : golden::targets) {
    INFO(expected.name);
    const Outcome found = run_target(find_target(expected.name), rows);
    Deviation deviation;
    deviation.add("y", found.output, expected.y, 1e-14);
    deviation.add("dx", first_gradient(found), expected.dx, 1e-15);
    CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
  }
}

TEST_CASE("target: the margin's gradient goes to the current runner-up") {
  const Outcome outcome = run_target(Target::margin, {3, {5, 1, 3, 2, 4, 4, 0, 0, 0}, {0, 0, 2}});
  CHECK(outcome.output == std::vector<double>{2, -2, 0});
  CHECK(first_gradient(outcome) == std::vector<double>{1, 0, -1, 1, -1, 0, -1, 0, 1});
  CHECK(std::isnan(run_target(Target::margin, {3, {5, not_a_number, 7}, {0}}).output[0]));
}

TEST_CASE("target: cross-entropy of sure answers keeps its accuracy in float") {
  // log(1 + e^-20) and its gradient, where 1 - p would be 0 in float; then far beyond what exp can hold.
  const Outcome sure = run_target<float>(Target::pseudo_ce, {2, {20, 0, 0, 20, 1000, -1000}, {0, 1, 1}});
  const double small = std::exp(-20.0);
  CHECK(sure.output[0] == doctest::Approx(small).epsilon(1e-6));
  CHECK(sure.output[1] == doctest::Approx(small).epsilon(1e-6));
  CHECK(sure.output[2] == 2000);
  CHECK(first_gradient(sure)[0] == doctest::Approx(-small).epsilon(1e-6));
  CHECK(first_gradient(sure)[1] == doctest::Approx(small).epsilon(1e-6));
  CHECK(first_gradient(sure)[4] == 1);
  CHECK(first_gradient(sure)[5] == -1);
}

TEST_CASE("target: cross-entropy of infinite and missing logits") {
  const Outcome endless = run_target(Target::label_ce, {3, {infinity, 1, 2, -infinity, 1, 1, infinity, 0, 0}, {0, 1, 1}});
  CHECK(endless.output[0] == 0);
  CHECK(endless.output[1] == doctest::Approx(std::log(2.0)).epsilon(1e-15));
  CHECK(endless.output[2] == infinity);
  CHECK(first_gradient(endless)[0] == 0);
  CHECK(first_gradient(endless)[3] == 0);
  CHECK(first_gradient(endless)[6] == 1);
  CHECK(first_gradient(endless)[7] == -1);
  for (std::size_t wrong = 0; wrong < 3; ++wrong) {
    Rows rows{3, {1, 2, 3}, {1}};
    rows.logits[wrong] = not_a_number;
    const Outcome outcome = run_target(Target::label_ce, rows);
    CHECK(std::isnan(outcome.output[0]));
    for (const double value : first_gradient(outcome)) CHECK(std::isnan(value));
  }
}

TEST_CASE("target: one logit is asked as it is, and with labels by the logistic loss") {
  for (const Target target : {Target::top_logit, Target::margin, Target::pseudo_ce, Target::sum_logits, Target::output_norm}) {
    ByHand hand(2);
    const Var logits = hand.input({1, 1}, {-3, 2});
    CHECK_FALSE(reads_classes(target, logits.type()));
    const Var y = record_target(target, logits);
    CHECK(y.type() == ValueType{{1}, 0, DType::f32});
    const Outcome outcome = hand.run(y);
    CHECK(outcome.output == std::vector<double>{-3, 2});
    CHECK(first_gradient(outcome) == std::vector<double>{1, 1});
  }
  const std::vector<double> z = {-3, 2, 0.5, 800, -800};
  const Outcome loss = run_target(Target::label_ce, {1, z, {1, 0, 1, 0, 0}});
  CHECK(loss.output[0] == doctest::Approx(std::log(1 + std::exp(3.0))).epsilon(1e-15));
  CHECK(loss.output[1] == doctest::Approx(std::log(1 + std::exp(2.0))).epsilon(1e-15));
  CHECK(loss.output[2] == doctest::Approx(std::log(1 + std::exp(-0.5))).epsilon(1e-15));
  CHECK(loss.output[3] == 800);
  CHECK(loss.output[4] == 0);
  CHECK(first_gradient(loss)[0] == doctest::Approx(-1 / (1 + std::exp(-3.0))).epsilon(1e-15));
  CHECK(first_gradient(loss)[1] == doctest::Approx(1 / (1 + std::exp(-2.0))).epsilon(1e-15));
  CHECK(first_gradient(loss)[3] == 1);
}

TEST_CASE("target: the norm of nothing has no direction") {
  const Outcome outcome = run_target(Target::output_norm, {3, {0, 0, 0, 3, 0, -4}, {0, 0}});
  CHECK(outcome.output == std::vector<double>{0, 5});
  CHECK(first_gradient(outcome) == std::vector<double>{0, 0, 0, 3 * (1 / 5.0), 0, -4 * (1 / 5.0)});
  // Squares of floats beyond the range of floats.
  CHECK(run_target<float>(Target::output_norm, {2, {0x1p100, 0, 0x1p-100, 0}, {0, 0}}).output ==
        std::vector<double>{0x1p100, 0x1p-100});
}

TEST_CASE("target: names") {
  for (int i = 0; i < target_count; ++i) CHECK(find_target(name(static_cast<Target>(i))) == static_cast<Target>(i));
  CHECK(name(Target::pseudo_ce) == "pseudo-ce");
  CHECK_THROWS_WITH_AS(find_target("loss"),
                       "unknown target 'loss'; choose one of: top-logit, margin, pseudo-ce, sum-logits, output-norm, label-ce",
                       Error);
}

TEST_CASE("target: which read class numbers") {
  const ValueType ten_logits{{1, 10}, 0, DType::f32};
  for (const Target target : {Target::top_logit, Target::margin, Target::pseudo_ce, Target::label_ce})
    CHECK(reads_classes(target, ten_logits));
  for (const Target target : {Target::sum_logits, Target::output_norm}) CHECK_FALSE(reads_classes(target, ten_logits));
  CHECK(reads_classes(Target::label_ce, {{1, 1}, 0, DType::f32}));
}

TEST_CASE("target: predicted classes") {
  const std::vector<float> logits = {1, 3, 3, -1, -2, -3, 0, std::nanf(""), 9};
  CHECK(predicted_classes<float>(logits, 3) == std::vector<std::int64_t>{1, 0, -1});
  const std::vector<double> single = {-1, 0, 2, not_a_number};
  CHECK(predicted_classes<double>(single, 1) == std::vector<std::int64_t>{0, 0, 1, -1});
  CHECK(predicted_classes<float>({}, 3).empty());
  CHECK_THROWS_WITH_AS(predicted_classes<float>(logits, 2), "predicted classes: 9 logits are no rows of 2 classes", Error);
  CHECK_THROWS_WITH_AS(predicted_classes<float>(logits, 0), "predicted classes: 9 logits are no rows of 0 classes", Error);
}

TEST_CASE("target: wrong classes are found before anything is computed") {
  CHECK_THROWS_WITH_AS(run_target(Target::top_logit, {3, counted(6), {0, 3}}), "pick: sample 1 has class 3, expected 0..2", Error);
  CHECK_THROWS_WITH_AS(run_target(Target::margin, {3, counted(6), {-1, 0}}), "margin: sample 0 has class -1, expected 0..2", Error);
  CHECK_THROWS_WITH_AS(run_target(Target::label_ce, {1, {4}, {2}}), "cross_entropy: sample 0 has class 2, expected 0..1", Error);
}

TEST_CASE("target: errors") {
  Tape tape;
  const Var x = tape.input("x", {4}), one = tape.input("one", {1}), tokens = tape.input("tokens", ValueType{{3, 4}, 0});
  const Var image = tape.input("image", {4, 1, 1}), shared = tape.parameter({.name = "W", .shape = {1, 4}});
  const Var classes = tape.input("classes", Shape{}, DType::i64), pairs = tape.input("pairs", {2}, DType::i64);
  CHECK_THROWS_WITH_AS(pick(tokens, classes), "node 'pick': pick: the logits are [3N, 4], expected [N, classes]", Error);
  CHECK_THROWS_WITH_AS(margin(image, classes), "node 'margin': margin: the logits are [N, 4, 1, 1], expected [N, classes]", Error);
  CHECK_THROWS_WITH_AS(euclidean_norm(shared),
                       "node 'euclidean_norm': euclidean_norm: the logits are [1, 4], expected [N, classes]", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(pairs, classes),
                       "node 'cross_entropy': cross_entropy: the input [N, 2] holds i64 numbers, expected reals (f32)", Error);
  CHECK_THROWS_WITH_AS(pick(x, pairs), "node 'pick': pick: the class numbers are [N, 2], expected [N], one for each sample", Error);
  CHECK_THROWS_WITH_AS(pick(x, x), "node 'pick': pick: the indices [N, 4] hold f32 numbers, expected i64", Error);
  CHECK_THROWS_WITH_AS(margin(one, classes), "node 'margin': margin: the logits are [N, 1], expected at least 2 classes", Error);
  CHECK_THROWS_WITH_AS(record_target(Target::sum_logits, tokens),
                       "target sum-logits: the logits are [3N, 4], expected [N, classes]", Error);
  CHECK_THROWS_WITH_AS(record_target(Target::margin, x),
                       "target margin: reads class numbers, but none are given; give those that the network predicts", Error);
  CHECK_THROWS_WITH_AS(record_target(Target::label_ce, one),
                       "target label-ce: reads class numbers, but none are given; give labels, or choose pseudo-ce", Error);
}

}  // namespace safer::test
