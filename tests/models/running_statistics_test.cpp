#include "models/running_statistics.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "models/data/dataset.h"
#include "models/evaluation.h"
#include "models/initialization.h"
#include "models/training.h"
#include "tests/allocation_counter.h"

using namespace safer;

namespace {

/// Batch norm of x with statistics of its own, 0 and 1.
Var batch_norm_of(Tape& tape, Var x, const std::string& name) {
  const Shape own{x.shape()[1]};
  const auto parameter = [&](const char* what, Role role) {
    return tape.parameter({.name = name + what, .shape = own, .role = role});
  };
  const Var gamma = parameter(".weight", Role::norm), beta = parameter(".bias", Role::norm);
  const Var mean = parameter(".running_mean", Role::buffer), variance = parameter(".running_var", Role::buffer);
  return batch_norm(x, gamma, beta, mean, variance);
}

void set(Parameters& parameters, std::string_view name, float value) {
  std::ranges::fill(parameters.mutable_values<float>(parameters.id(name)), value);
}

/// conv 3x3 -> batch norm -> relu -> global average -> linear, for images of one channel with bars along rows or columns.
Network bars_network() {
  Network network{.name = "bars"};
  Tape& tape = network.tape;
  const Var x = tape.input("x", {1, 6, 6});
  const Var conv = conv2d(x, tape.parameter({.name = "conv.weight", .shape = {4, 1, 3, 3}}), {}, {.padding = 1});
  const Var h = global_average_pool(relu(batch_norm_of(tape, conv, "bn")));
  const Var logits = linear(flatten(h), tape.parameter({.name = "fc.weight", .shape = {2, 4}}),
                            tape.parameter({.name = "fc.bias", .shape = {2}, .role = Role::bias}));
  network.input = x.id();
  network.logits = logits.id();
  network.parameters = Parameters(tape.parameters());
  Random random(3);
  for (const char* weight : {"conv.weight", "fc.weight"})
    for (float& w : network.parameters.mutable_values<float>(network.parameters.id(weight)))
      w = static_cast<float>(random.uniform() - 0.5);
  set(network.parameters, "bn.weight", 1);
  set(network.parameters, "bn.running_var", 1);
  return network;
}

Dataset bars(std::int64_t count, std::uint64_t seed) {
  Dataset data{.name = "bars", .inputs = Tensor(DType::f32, {count, 1, 6, 6}), .labels = {}, .classes = 2};
  Random random(seed);
  float* pixel = data.inputs.mutable_values<float>().data();
  for (std::int64_t n = 0; n < count; ++n) {
    data.labels.push_back(static_cast<std::int64_t>(random.below(2)));
    const auto phase = static_cast<std::int64_t>(random.below(2));
    for (std::int64_t i = 0; i < 6; ++i)
      for (std::int64_t j = 0; j < 6; ++j) {
        const bool bright = ((data.labels.back() == 0 ? i : j) + phase) % 2 == 0;
        *pixel++ = static_cast<float>((bright ? 7 : 5) + 0.3 * random.uniform());
      }
  }
  return data;
}

bool same(const Parameters& a, const Parameters& b) {
  for (int id = 0; id < a.size(); ++id)
    if (!std::ranges::equal(a[id].values<float>(), b[id].values<float>())) return false;
  return true;
}

}  // namespace

TEST_CASE("running statistics: one update by hand") {
  Tape tape;
  const Var x = tape.input("x", {2, 2});
  batch_norm_of(tape, x, "bn");
  Parameters parameters(tape.parameters());
  set(parameters, "bn.running_mean", 10);
  set(parameters, "bn.running_var", 100);
  RunningStatistics statistics(tape, 0.25);
  REQUIRE(statistics.reads() == std::vector<ValueId>{x.id()});
  // Channel 0: 1 3 5 7 with mean 4 and sum of squares 20; channel 1: all 2.
  const std::vector<float> values = {1, 3, 2, 2, 5, 7, 2, 2};
  Workspace<float> workspace(Plan(tape, {.batch = 2, .mode = Mode::training, .outputs = {x.id(), x.id() + 5}}));
  workspace.bind(x, values);
  workspace.replay(parameters);
  statistics.update(parameters, workspace);
  const auto mean = parameters["bn.running_mean"].values<float>(), variance = parameters["bn.running_var"].values<float>();
  CHECK(mean[0] == 0.75f * 10 + 0.25f * 4);
  CHECK(mean[1] == 0.75f * 10 + 0.25f * 2);
  CHECK(variance[0] == doctest::Approx(75 + 0.25 * 20 / 3));  // unbiased: 20 / (4 - 1)
  CHECK(variance[1] == 75);
}

TEST_CASE("running statistics: a single value a channel leaves the variance alone") {
  Tape tape;
  const Var x = tape.input("x", {2});
  const Var y = batch_norm_of(tape, x, "bn");
  Parameters parameters(tape.parameters());
  set(parameters, "bn.running_var", 7);
  RunningStatistics statistics(tape, 0.5);
  const std::vector<float> values = {4, 6};
  Workspace<float> workspace(Plan(tape, {.batch = 1, .mode = Mode::training, .outputs = {x.id(), y.id()}}));
  workspace.bind(x, values);
  workspace.replay(parameters);
  statistics.update(parameters, workspace);
  CHECK(parameters["bn.running_mean"].values<float>()[1] == 3);
  CHECK(parameters["bn.running_var"].values<float>()[1] == 7);
}

TEST_CASE("training: a convolutional network with batch norm learns, and inference with its running statistics agrees") {
  Network network = bars_network();
  const Dataset data = bars(256, 1), test = bars(200, 2);
  const std::vector<double> losses = train(network, data, {.epochs = 12, .batch = 32, .learning_rate = 0.02});
  CHECK(losses.back() < 0.25 * losses.front());
  CHECK(evaluate(network, test).accuracy == 1);
}

TEST_CASE("training: running statistics equal a plain computation over the batches") {
  // A convolution that training leaves as it is, since no gradient reaches it through a gamma of 0: every batch sees the same one.
  Network network = bars_network();
  set(network.parameters, "bn.weight", 0);
  set(network.parameters, "bn.bias", -1);  // relu: no gradient reaches gamma and beta, either
  const Dataset data = bars(96, 3);
  const auto w = network.parameters["conv.weight"].values<float>();
  const std::vector<float> kernel(w.begin(), w.end());
  // One batch of all samples, so that their order does not matter; three of them.
  train(network, data, {.epochs = 3, .batch = 96, .batch_norm_momentum = 0.2});
  CHECK(std::ranges::equal(network.parameters["conv.weight"].values<float>(), kernel));
  const auto x = data.inputs.values<float>();
  for (std::size_t channel = 0; channel < 4; ++channel) {
    std::vector<double> h;
    for (std::int64_t n = 0; n < 96; ++n)
      for (std::int64_t i = 0; i < 6; ++i)
        for (std::int64_t j = 0; j < 6; ++j) {
          double sum = 0;
          for (std::int64_t s = 0; s < 9; ++s) {
            const std::int64_t row = i + s / 3 - 1, column = j + s % 3 - 1;
            if (row >= 0 && row < 6 && column >= 0 && column < 6)
              sum += double{kernel[channel * 9 + static_cast<std::size_t>(s)]} *
                     double{x[static_cast<std::size_t>((n * 6 + row) * 6 + column)]};
          }
          h.push_back(sum);
        }
    double mean = 0, variance = 0;
    const auto count = static_cast<double>(h.size());
    for (const double value : h) mean += value / count;
    for (const double value : h) variance += (value - mean) * (value - mean) / (count - 1);
    const double rest = 0.8 * 0.8 * 0.8;
    CHECK(network.parameters["bn.running_mean"].values<float>()[channel] == doctest::Approx((1 - rest) * mean).epsilon(1e-5));
    CHECK(network.parameters["bn.running_var"].values<float>()[channel] ==
          doctest::Approx(rest + (1 - rest) * variance).epsilon(1e-5));
  }
}

TEST_CASE("training: batch norm gives the same bits for any number of threads, and allocates nothing after the first step") {
  const Dataset data = bars(300, 4);
  const int before = available_threads();
  const auto trained = [&](int threads, int epochs) {
    set_threads(threads);
    Network network = bars_network();
    const AllocationCounter counter;
    train(network, data, {.epochs = epochs, .batch = 128});
    return std::pair(network.parameters, counter.allocations());
  };
  const auto alone = trained(1, 2);
  CHECK(same(trained(2, 2).first, alone.first));
  CHECK(same(trained(4, 2).first, alone.first));
  if (AllocationCounter::works) CHECK(trained(1, 5).second == trained(1, 1).second);
  set_threads(before);
}

TEST_CASE("running statistics: a momentum that makes no sense is refused") {
  const Tape tape;
  CHECK_THROWS_WITH_AS(RunningStatistics(tape, 1.5), "batch norm: momentum 1.5; expected 0 to 1", Error);
}
