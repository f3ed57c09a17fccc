#include "engine/tape/folding.h"

#include <doctest/doctest.h>

#include <thread>

#include "tests/allocation_counter.h"
#include "tests/engine/tape/fused_block.h"

namespace safer::test {
namespace {

/// conv1 + norm + residual + relu, then conv2 the same.
struct Network {
  Tape tape;
  Recording recording{tape, Stand::plain};
  Block block{.norm = Block::Norm::full, .residual = Block::Residual::right, .activation = relu};
  Var x = recording.input("x", block.input_shape());
  Var middle = block.record(recording, x, x, "conv1");
  Var y = block.record(recording, middle, x, "conv2");
  Data data = recording.draw(3, Mode::inference);
  PlanOptions fused{.outputs = {y.id()}}, plain{.outputs = {y.id()}, .fuse = false};

  int parameter(const std::string& name) const { return tape.node(tape.find(name)).parameter; }
};

/// What a plan that folds nothing gives for the parameters of `runner`.
template <class T>
std::vector<double> unfused(const Network& network, const Runner<T>& runner) {
  Data data = network.data;
  data.parameters = runner.parameters.to(DType::f64);
  Runner<double> plain(network.tape, network.plain, data);
  plain.replay();
  return plain.value(network.y.id());
}

template <class T>
double deviation(const Network& network, const Runner<T>& runner) {
  const std::vector<double> expected = unfused(network, runner);
  Deviation found;
  // Two layers of sums of 36 products and some roundings more.
  found.add("folded", runner.value(network.y.id()), expected, 80 * double{std::numeric_limits<T>::epsilon()} * largest(expected));
  return found.ratio;
}

}  // namespace

TEST_CASE_TEMPLATE("folding: a change of any tensor is seen, in place and in a replica", T, float, double) {
  const Network network;
  Runner<T> runner(network.tape, network.fused, network.data);
  runner.replay();
  CHECK(deviation(network, runner) <= 1);
  const Parameters original = runner.parameters;
  const std::vector<double> first = runner.value(network.y.id());
  for (const char* name : {"conv1.weight", "conv1.bias", "conv1.norm.gamma", "conv1.norm.beta", "conv1.norm.mean",
                           "conv1.norm.variance", "conv2.weight", "conv2.norm.gamma"}) {
    INFO(name);
    runner.parameters = original;
    for (T& value : runner.parameters.template mutable_values<T>(network.parameter(name))) value += T(0.5);  // a replica
    runner.replay();
    CHECK(runner.value(network.y.id()) != first);
    CHECK(deviation(network, runner) <= 1);
    for (T& value : runner.parameters.template mutable_values<T>(network.parameter(name))) value += T(0.25);  // the same again
    runner.replay();
    CHECK(deviation(network, runner) <= 1);
  }
  runner.parameters = original;
  runner.replay();
  CHECK(runner.value(network.y.id()) == first);
}

TEST_CASE("folding: workspaces with different replicas run at the same time") {
  const Network network;
  const auto plan = std::make_shared<const Plan>(network.tape, [&] {
    PlanOptions options = network.fused;
    options.batch = network.data.batch;
    return options;
  }());
  const std::vector<double>& values = network.data.inputs.at(network.x.id());
  const std::vector<float> x(values.begin(), values.end());
  const Parameters original = network.data.parameters.to(DType::f32);
  const auto outputs = [&](float change) {
    Workspace<float> workspace(plan);
    workspace.bind(network.x, std::span(x));
    std::vector<float> all;
    for (int round = 0; round < 20; ++round) {
      Parameters replica = original;
      if (round % 2) replica.mutable_values<float>(network.parameter("conv1.norm.gamma"))[0] += change * static_cast<float>(round);
      workspace.replay(replica);
      all.insert(all.end(), workspace.value(network.y).begin(), workspace.value(network.y).end());
    }
    return all;
  };
  const std::vector<float> expected[] = {outputs(0.1f), outputs(-0.1f)};
  std::vector<float> found[2];
  std::thread other([&] { found[1] = outputs(-0.1f); });
  found[0] = outputs(0.1f);
  other.join();
  for (int i = 0; i < 2; ++i) CHECK(found[i] == expected[i]);
  CHECK(found[0] != found[1]);
}

TEST_CASE("folding: steady-state replays allocate nothing, changed tensors included; resumed runs give the bits of full ones") {
  Network network;
  network.fused.resume = {network.tape.find("conv1.weight"), network.tape.find("conv2.weight"), network.tape.find("conv2.bias")};
  Runner<float> runner(network.tape, network.fused, network.data), full(network.tape, {.outputs = {network.y.id()}}, network.data);
  CHECK(listed(network.tape, network.fused) == "conv1 + conv1.norm + conv1.add + relu | conv2 + conv2.norm + conv2.add + relu_2");
  const auto change = [&](Runner<float>& of, std::size_t i) {
    of.parameters.mutable_values<float>(network.tape.node(network.fused.resume[i]).parameter)[2] += 0.5f;
  };
  runner.replay();
  for (std::size_t i = 0; i < network.fused.resume.size(); ++i) {
    change(runner, i), change(full, i);
    runner.workspace.resume(i, runner.parameters);
    full.replay();
    CHECK(runner.value(network.y.id()) == full.value(network.y.id()));
    runner.replay();
  }
  const AllocationCounter counter;
  for (std::size_t i = 0; i < network.fused.resume.size(); ++i) {
    change(runner, i);
    runner.workspace.resume(i, runner.parameters);
    runner.replay();
  }
  const std::int64_t allocations = counter.allocations();
  if (AllocationCounter::works) CHECK(allocations == 0);
}

TEST_CASE("folding: only norms that are made of stored values alone, and scale what the layer calls channels") {
  Network network;
  const auto plan = [&](PlanOptions options) { return listed(network.tape, std::move(options)); };
  const ValueId middle = network.middle.id();
  const std::string apart = "conv1 | conv1.norm | conv1.add | relu";
  CHECK(plan({.outputs = {middle}}) == "conv1 + conv1.norm + conv1.add + relu");
  CHECK(plan({.mode = Mode::training, .outputs = {middle}}) == apart);
  CHECK(plan({.outputs = {middle}, .resume = {network.tape.find("conv1.norm.gamma")}}) == apart);
  CHECK(plan({.outputs = {middle}, .taps = {network.tape.find("conv1")}}) == apart);
  CHECK(plan({.outputs = {middle}, .taps = {network.tape.find("conv1.norm")}}) == "conv1 + conv1.norm | conv1.add | relu");

  const auto norm = [](Tape& tape, Var x, Var gamma) {
    const std::int64_t channels = x.shape()[1];
    const Var mean = tape.parameter({.name = "mean", .shape = {channels}}),
              variance = tape.parameter({.name = "variance", .shape = {channels}});
    return batch_norm(x, gamma, {}, mean, variance, {}, "norm");
  };
  Tape computed;
  const Var w = computed.parameter({.name = "w", .shape = {4, 4}}), g = computed.parameter({.name = "g", .shape = {4}});
  const Var fc = linear(computed.input("x", {4}), w, {}, "fc"), of_square = norm(computed, fc, square(g));
  CHECK(listed(computed, {.outputs = {of_square.id()}}) == "fc | square | norm");
  Tape tokens;  // the norm's axis 1 is that of the tokens, not of the outputs
  const Var v = tokens.parameter({.name = "w", .shape = {4, 4}});
  const Var of_tokens = norm(tokens, linear(tokens.input("x", {3, 4}), v, {}, "fc"), {});
  CHECK(listed(tokens, {.outputs = {of_tokens.id()}}) == "fc | norm");
}

TEST_CASE_TEMPLATE("folding: constants stand for parameters", T, float, double) {
  Tape tape;
  const std::vector<double> ones(4, 1.0), twos(4, 2.0), weights = random_values(16, 3);
  const Shape channels{4};
  const auto constant = [&](const char* name, const Shape& shape, const std::vector<double>& values) {
    return tape.constant(name, Tensor::of<double>(shape, values));
  };
  const Var x = tape.input("x", {4}), w = constant("w", {4, 4}, weights);
  const Var y = batch_norm(linear(x, w, {}, "fc"), {}, constant("beta", channels, ones), constant("mean", channels, twos),
                           constant("variance", channels, twos), {.epsilon = 2}, "norm");
  CHECK(listed(tape, {.outputs = {y.id()}}) == "fc + norm");
  Data data{.batch = 2, .inputs = {{x.id(), random_values(8, 4)}}, .parameters = Parameters(tape.parameters(), DType::f64)};
  Runner<T> runner(tape, {.outputs = {y.id()}}, data);
  runner.replay();
  const std::vector<double> found = runner.value(y.id());
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t o = 0; o < 4; ++o) {
      double product = 0;
      for (std::size_t i = 0; i < 4; ++i) product += weights[4 * o + i] * data.inputs[x.id()][4 * n + i];
      CHECK(std::abs(found[4 * n + o] - ((product - 2) / 2 + 1)) <= 16 * double{std::numeric_limits<T>::epsilon()});
    }
}

}  // namespace safer::test
