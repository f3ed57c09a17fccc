#include "engine/ops/random_ops.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/parallel.h"
#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> random_cases() {
  std::vector<OpCase> cases;
  for (const Mode mode : {Mode::training, Mode::inference}) {
    const std::string label = mode == Mode::training ? "training" : "inference";
    cases.push_back({.op = "dropout",
                     .label = label,
                     .record =
                         [](Recording& r) {
                           return dropout(r.input("x", {1, 7}), 0.4);
                         },
                     .mode = mode});
    cases.push_back({.op = "dropout",
                     .label = label + ", batch axis 1",
                     .record =
                         [](Recording& r) {
                           return dropout(r.input("x", {3, 2, 5}, {}, 1), 0.5);
                         },
                     .mode = mode});
    cases.push_back({.op = "stochastic_depth",
                     .label = label + ", one draw",
                     .record =
                         [](Recording& r) {
                           return stochastic_depth(r.input("x", {1, 5}), 0.5);
                         },
                     .mode = mode});
    cases.push_back({.op = "stochastic_depth",
                     .label = label + ", a draw for each sample",
                     .record =
                         [](Recording& r) {
                           return stochastic_depth(r.input("x", {3, 1, 2}, {}, 1), 0.5, true);
                         },
                     .mode = mode});
  }
  return cases;
}

namespace {

/// y for x = 1 in training, of `batch` samples of which the first has number `first`.
std::vector<double> draw(const std::function<Var(Var)>& f, const ValueType& sample, std::int64_t batch,
                         const Randomness& randomness, Mode mode = Mode::training) {
  ByHand hand(batch);
  const Var x =
      hand.input(sample.shape, std::vector<double>(static_cast<std::size_t>(sample.at(batch).size()), 1), sample.batch_axis);
  hand.data.randomness = randomness;
  hand.data.mode = mode;
  return hand.value(f(x));
}

std::int64_t zeros(std::span<const double> values) { return std::ranges::count(values, 0.0); }

/// Six standard deviations of the number of successes, which one run in a billion exceeds.
double bound(double n, double p) { return 6 * std::sqrt(n * p * (1 - p)) + 1; }

const ValueType row{{1, 100}, 0, DType::f32};

}  // namespace

TEST_CASE("dropout: how many elements are dropped, and the scale of the others") {
  for (const double p : {0.1, 0.5, 0.75}) {
    const std::vector<double> y = draw([p](Var x) { return dropout(x, p); }, row, 1000, {.seed = 3});
    CHECK(std::abs(static_cast<double>(zeros(y)) - 1e5 * p) <= bound(1e5, p));
    for (const double value : y) REQUIRE((value == 0 || value == 1 / (1 - p)));
    // Each element by itself: no column and no row is dropped much more often than others.
    for (std::size_t k = 0; k < 100; ++k) {
      std::int64_t column = 0;
      for (std::size_t n = 0; n < 1000; ++n) column += y[n * 100 + k] == 0;
      CHECK(std::abs(static_cast<double>(column) - 1000 * p) <= bound(1000, p));
    }
  }
}

TEST_CASE("dropout: nothing happens in inference, nor for p = 0") {
  const std::vector<double> ones(300, 1);
  CHECK(draw([](Var x) { return dropout(x, 0.5); }, row, 3, {}, Mode::inference) == ones);
  CHECK(draw([](Var x) { return dropout(x, 0); }, row, 3, {}) == ones);
}

TEST_CASE("dropout: the mask is a function of seed, step, name, sample and element") {
  const auto mask = [](const Randomness& randomness, std::int64_t batch = 8, int recorded_before = 0) {
    return draw(
        [=](Var x) {
          for (int i = 0; i < recorded_before; ++i) dropout(x, 0.5);
          return dropout(x, 0.5);
        },
        row, batch, randomness);
  };
  const std::vector<double> whole = mask({.seed = 1, .step = 2});
  CHECK(mask({.seed = 1, .step = 2}) == whole);
  CHECK(mask({.seed = 2, .step = 2}) != whole);
  CHECK(mask({.seed = 1, .step = 3}) != whole);
  CHECK(mask({.seed = 1, .step = 2}, 8, 1) != whole);
  const std::vector<double> half = mask({.seed = 1, .step = 2, .first_sample = 4}, 4);
  CHECK(half == std::vector<double>(whole.begin() + 400, whole.end()));

  // The same with the batch axis inside: sample 5 of [3, N, 7].
  const ValueType inside{{3, 1, 7}, 1, DType::f32};
  const auto f = [](Var x) { return dropout(x, 0.5); };
  const std::vector<double> eight = draw(f, inside, 8, {.seed = 4});
  for (std::int64_t s = 0; s < 8; ++s)
    CHECK(draw(f, inside, 1, {.seed = 4, .first_sample = static_cast<std::uint64_t>(s)}) == sample_of<double>(inside, eight, 8, s));
}

TEST_CASE("dropout: what all samples share is dropped alike in all batches") {
  ByHand hand;
  const Var y = dropout(hand.shared({64}, std::vector<double>(64, 1)), 0.5);
  hand.data.mode = Mode::training;
  const std::vector<double> first = hand.value(y);
  hand.data.randomness.first_sample = 17;
  CHECK(hand.value(y) == first);
  CHECK(zeros(first) > 0);
  CHECK(zeros(first) < 64);
}

TEST_CASE("random ops: the gradient meets the mask of the forward run") {
  const std::vector<double> x = random_values(600, 5), seed = random_values(600, 6);
  for (const Mode mode : {Mode::training, Mode::inference})
    for (const auto& f : {std::function<Var(Var)>([](Var v) { return dropout(v, 0.3); }),
                          std::function<Var(Var)>([](Var v) { return stochastic_depth(v, 0.7, true); }),
                          std::function<Var(Var)>([](Var v) { return stochastic_depth(v, 0.7); })}) {
      ByHand hand(6);
      hand.data.mode = mode;
      const Var in = hand.input({1, 100}, x);
      const Outcome outcome = hand.run(f(in), seed);
      Deviation deviation;
      std::vector<double> expected;
      for (std::size_t i = 0; i < x.size(); ++i) expected.push_back(outcome.output[i] / x[i] * seed[i]);
      deviation.add("gradient", outcome.gradients.at(in.id()), expected, 1e-14);
      CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
    }
}

TEST_CASE("random ops: threads change nothing") {
  const int before = available_threads();
  for (const auto& f : {std::function<Var(Var)>([](Var v) { return dropout(v, 0.3); }),
                        std::function<Var(Var)>([](Var v) { return stochastic_depth(v, 0.7, true); })}) {
    set_threads(1);
    const std::vector<double> alone = draw(f, row, 2000, {.seed = 9});
    for (const int threads : {2, 3}) {
      set_threads(threads);
      CHECK(draw(f, row, 2000, {.seed = 9}) == alone);
    }
  }
  set_threads(before);
}

TEST_CASE("stochastic depth: one draw for the batch, whatever its first sample") {
  int kept = 0;
  for (std::uint64_t step = 0; step < 1000; ++step) {
    const auto f = [](Var x) { return stochastic_depth(x, 0.8); };
    const std::vector<double> y = draw(f, {{1, 3}, 0}, 4, {.seed = 1, .step = step});
    CHECK((zeros(y) == 0 || zeros(y) == 12));
    kept += y[0] == 1;
    if (step < 20) CHECK(draw(f, {{1, 3}, 0}, 4, {.seed = 1, .step = step, .first_sample = 100}) == y);
  }
  CHECK(std::abs(kept - 800) <= bound(1000, 0.8));
}

TEST_CASE("stochastic depth: a draw for each sample") {
  const ValueType inside{{2, 1, 3}, 1, DType::f32};
  const auto f = [](Var x) { return stochastic_depth(x, 0.8, true); };
  const std::vector<double> y = draw(f, inside, 1000, {.seed = 2});
  double kept = 0;
  for (std::int64_t s = 0; s < 1000; ++s) {
    const std::vector<double> own = sample_of<double>(inside, y, 1000, s);
    REQUIRE(std::ranges::all_of(own, [&](double value) { return value == own[0] && (value == 0 || value == 1); }));
    kept += own[0];
  }
  CHECK(std::abs(kept - 800) <= bound(1000, 0.8));
  CHECK(draw(f, inside, 2, {.seed = 2, .first_sample = 7}) ==
        stack(inside, std::vector{sample_of<double>(inside, y, 1000, 7), sample_of<double>(inside, y, 1000, 8)}));
}

TEST_CASE("stochastic depth: inference multiplies by the survival probability") {
  for (const bool per_sample : {false, true})
    CHECK(draw([=](Var x) { return stochastic_depth(x, 0.8, per_sample); }, {{1, 2}, 0}, 2, {}, Mode::inference) ==
          std::vector<double>(4, 0.8));
  CHECK(draw([](Var x) { return stochastic_depth(x, 1); }, {{1, 2}, 0}, 2, {}) == std::vector<double>(4, 1));
  CHECK(draw([](Var x) { return stochastic_depth(x, 0); }, {{1, 2}, 0}, 2, {}) == std::vector<double>(4, 0));
}

TEST_CASE("random ops: what is dropped is gone, even when it is infinite") {
  ByHand hand;
  const Var x = hand.input({1, 2}, {std::numeric_limits<double>::infinity(), std::nan("")});
  hand.data.mode = Mode::training;
  CHECK(hand.value(stochastic_depth(x, 0)) == std::vector<double>{0, 0});
}

TEST_CASE("random ops: errors") {
  Tape tape;
  const Var x = tape.input("x", {4}), indices = tape.input("indices", {4}, DType::i64);
  CHECK_THROWS_WITH_AS(dropout(x, 1), "dropout: p = 1, expected a probability from 0 to below 1", Error);
  CHECK_THROWS_WITH_AS(dropout(x, -0.5), "dropout: p = -0.5, expected a probability from 0 to below 1", Error);
  CHECK_THROWS_WITH_AS(dropout(x, std::nan("")), "dropout: p = nan, expected a probability from 0 to below 1", Error);
  CHECK_THROWS_WITH_AS(stochastic_depth(x, 1.5), "stochastic_depth: survival = 1.5, expected a probability from 0 to 1", Error);
  CHECK_THROWS_WITH_AS(stochastic_depth(x, -1), "stochastic_depth: survival = -1, expected a probability from 0 to 1", Error);
  CHECK_THROWS_WITH_AS(dropout(indices, 0.5), "node 'dropout': dropout: the input [N, 4] holds i64 numbers, expected reals (f32)",
                       Error);
  CHECK(tape.node(dropout(x, 0.5).id()).op->attributes() == "p 0.5");
  CHECK(tape.node(stochastic_depth(x, 0.5).id()).op->attributes() == "survival 0.5");
  CHECK(tape.node(stochastic_depth(x, 0.5, true).id()).op->attributes() == "survival 0.5, drawn for each sample");
}

}  // namespace safer::test
