#include "models/evaluation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/data/moons.h"
#include "models/moons.h"

using namespace safer;

namespace {

/// A network whose logits are its inputs: one layer of width 2 that passes on (x, y) + 10, and a head that takes the 10 off.
Network identity() {
  Network network = make_moons_network({.depth = 1, .widths = {2}});
  const auto set = [&](std::string_view name, std::vector<float> values) {
    std::ranges::copy(values, network.parameters.mutable_values<float>(network.parameters.id(name)).begin());
  };
  set("layers.0.weight", {1, 0, 0, 1});
  set("layers.0.bias", {10, 10});
  set("head.weight", {1, 0, 0, 1});
  set("head.bias", {-10, -10});
  return network;
}

Dataset points(std::vector<float> x, std::vector<std::int64_t> labels) {
  const auto n = static_cast<std::int64_t>(x.size() / 2);
  return {.name = "points", .inputs = Tensor::of<float>({n, 2}, x), .labels = std::move(labels), .classes = 2};
}

}  // namespace

TEST_CASE("evaluation: accuracy and cross-entropy by hand") {
  // Right by 2, wrong by 1, a tie that goes to class 0 (right), a tie that is wrong, right by 4.
  const Dataset data = points({3, 1, 0, 1, 2, 2, -1, -1, -2, 2}, {0, 0, 0, 1, 1});
  const Evaluation result = evaluate(identity(), data, 2);
  CHECK(result.samples == 5);
  CHECK(result.correct == 3);
  CHECK(result.accuracy == doctest::Approx(0.6));
  const double expected = (std::log1p(std::exp(-2)) + std::log1p(std::exp(1)) + 2 * std::log(2) + std::log1p(std::exp(-4))) / 5;
  CHECK(result.cross_entropy == doctest::Approx(expected).epsilon(1e-6));
}

TEST_CASE("evaluation: large logits do not overflow, and no number is no answer") {
  CHECK(evaluate(identity(), points({0, 4000}, {0})).cross_entropy == doctest::Approx(4000));
  CHECK(evaluate(identity(), points({0, 4000}, {1})).cross_entropy == 0);
  const Evaluation broken = evaluate(identity(), points({std::numeric_limits<float>::quiet_NaN(), 1}, {1}));
  CHECK(broken.correct == 0);
  CHECK(std::isnan(broken.cross_entropy));
}

TEST_CASE("evaluation: the batch size changes nothing") {
  const Network network = make_moons_network({.depth = 3, .widths = {16}});
  const Dataset data = make_moons(45, 0.1, 3);
  const Tensor whole = predict(network, data.inputs, 1000);
  CHECK(whole.shape() == Shape{45, 2});
  for (const std::int64_t batch : {0, 1, 7, 44, 45}) {
    const Tensor parts = predict(network, data.inputs, batch);
    for (std::size_t i = 0; i < 90; ++i) CHECK(parts.values<float>()[i] == doctest::Approx(whole.values<float>()[i]).epsilon(1e-5));
  }
  CHECK(predict(network, Tensor(DType::f32, {0, 2})).shape() == Shape{0, 2});
}

TEST_CASE("evaluation: data that does not fit is refused") {
  const Network network = identity();
  const auto refuse = [&](const Dataset& data, const char* message) {
    CHECK_THROWS_WITH_AS(evaluate(network, data), message, Error);
  };
  Dataset data = points({0, 0, 1, 1}, {0, 1});
  CHECK_THROWS_WITH_AS(predict(network, Tensor(DType::f32, {4, 3})),
                       "predict: inputs have shape [4, 3], moons-vanilla expects [N, 2]", Error);
  CHECK_THROWS_WITH_AS(predict(network, Tensor(DType::f64, {4, 2})), "predict: inputs are f64, moons-vanilla expects f32", Error);
  CHECK_THROWS_WITH_AS(predict(network, data.inputs, -1), "predict: batch of -1; expected at least 1, or 0", Error);
  data.labels = {0, 2};
  refuse(data, "evaluate: 'points': label 2 of sample 1, but moons-vanilla has 2 classes, from 0");
  data.labels = {0, -1};
  refuse(data, "evaluate: 'points': label -1 of sample 1, but moons-vanilla has 2 classes, from 0");
  data.labels = {};
  refuse(data, "evaluate: 'points' has 0 labels for 2 samples; labelled data is needed");
  data.inputs = Tensor(DType::f32, {0, 2});
  refuse(data, "evaluate: 'points' has no samples");
}

TEST_CASE("evaluation: a source is read part by part, with the same result and progress") {
  const Network network = make_moons_network({.depth = 3, .widths = {16}});
  const Dataset data = make_moons(700, 0.1, 3);
  DataSource source = source_of(data);
  std::int64_t read = 0, largest = 0;
  source.read = [&, whole = source.read](std::int64_t begin, std::int64_t end) {
    CHECK(begin == read);
    read = end, largest = std::max(largest, end - begin);
    return whole(begin, end);
  };
  std::vector<std::int64_t> seen;
  const Evaluation parts = evaluate(network, source, [&](std::int64_t done, std::int64_t total) {
    CHECK(total == 700);
    seen.push_back(done);
  });
  CHECK(read == 700);
  CHECK(largest < 700);
  CHECK(seen.size() > 1);
  CHECK(std::ranges::is_sorted(seen));
  CHECK(seen.back() == 700);
  const Evaluation whole = evaluate(network, data);
  CHECK(parts.correct == whole.correct);
  CHECK(parts.cross_entropy == whole.cross_entropy);
}

TEST_CASE("evaluation: a source that cannot be read, or does not fit, is an error") {
  const Network network = identity();
  DataSource source = source_of(make_moons(600, 0.1, 3));
  source.read = [whole = source.read](std::int64_t begin, std::int64_t end) {
    if (begin > 0) throw Error("sample {} is gone", begin);
    return whole(begin, end);
  };
  CHECK_THROWS_WITH_AS(evaluate(network, source), "sample 256 is gone", Error);
  source.labels.clear();
  CHECK_THROWS_WITH_AS(evaluate(network, source),
                       "evaluate: 'moons:n=600,noise=0.1,seed=3' has 0 labels for 600 samples; labelled data is needed", Error);
  source.read = [](std::int64_t begin, std::int64_t end) { return Tensor(DType::f32, {end - begin, 3}); };
  CHECK_THROWS_WITH_AS(predict(network, source),
                       "moons:n=600,noise=0.1,seed=3: inputs have shape [256, 3], moons-vanilla expects [N, 2]", Error);
}

TEST_CASE("evaluation: inputs of another shape are told what may be wrong with them") {
  Network network{.name = "net"};
  const Var x = network.tape.input("x", {3, 4, 5});
  network.input = network.logits = x.id();
  const auto says = [&](const Shape& shape, const std::string& advice) {
    const std::string message = fmt::format("x.npy: inputs have shape {}, net expects [N, 3, 4, 5]{}", shape, advice);
    CHECK_THROWS_WITH_AS(check_inputs(network, Tensor(DType::f32, shape), "x.npy"), message.c_str(), Error);
  };
  says({2, 3, 4}, "; did you drop an axis?");
  says({3, 4, 5}, "; add the axis of samples: array[None]");
  says({2, 4, 5, 3}, "; channels come first: array.transpose(0, 3, 1, 2)");
  says({2, 60}, "; reshape the array");
  says({2, 3, 4, 6}, "");
  says({2, 1, 4, 5}, "");
  check_inputs(network, Tensor(DType::f32, {2, 3, 4, 5}), "x.npy");
}
