#include "engine/tape/workspace.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "tests/engine/tape/toy_network.h"

using namespace safer;

namespace {

/// All parameters' gradients, one after the other.
std::vector<float> batch_gradient(Workspace<float>& workspace, const Parameters& parameters) {
  BatchGradient<float> sink(*parameters.table());
  workspace.reverse(sink);
  std::vector<float> all;
  for (int id = 0; id < parameters.size(); ++id) all.insert(all.end(), sink.of(id).begin(), sink.of(id).end());
  return all;
}

/// Each sample's own gradient, in tiles of one row.
struct PerSample final : GradientSink<float> {
  explicit PerSample(const ParameterTable& table, std::int64_t batch) : batch_(batch) {
    for (int id = 0; id < table.size(); ++id) values.emplace_back(static_cast<std::size_t>(batch * table[id].shape.size()));
  }
  bool per_sample() const override { return true; }
  void fold(const ParameterGradient<float>& gradient) override {
    float* out = values[static_cast<std::size_t>(gradient.parameter())].data();
    for (std::int64_t sample = 0; sample < batch_; ++sample)
      for (std::int64_t row = 0; row < gradient.rows(); ++row, out += gradient.row_size())
        gradient.tile({sample, sample + 1}, {row, row + 1}, out);
  }
  std::vector<std::vector<float>> values;  // by parameter: [samples, parameter]

 private:
  std::int64_t batch_;
};

}  // namespace

TEST_CASE("workspace: a resumed replay equals a full one to the bit, from every point and in any order") {
  const Toy toy;
  const std::int64_t batch = 7;
  const std::vector<float> x = toy.samples(batch);
  std::vector<ValueId> points = toy.weights;
  const PlanOptions options{.batch = batch, .outputs = {toy.logits}, .resume = points};
  Workspace<float> resumed(Plan(toy.tape, options));
  Workspace<float> full(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}}));
  resumed.bind(toy.x, x);
  full.bind(toy.x, x);
  resumed.replay(toy.parameters);
  Random random(3);
  for (int round = 0; round < 60; ++round) {
    const std::size_t point = random.below(points.size());
    Parameters perturbed = toy.parameters;
    for (float& w : perturbed.mutable_values<float>(toy.tape.node(points[point]).parameter))
      w += static_cast<float>(random.normal());
    full.replay(perturbed);
    resumed.resume(point, perturbed);
    CHECK(copy(resumed.value(toy.logits)) == copy(full.value(toy.logits)));
  }
}

TEST_CASE("workspace: a resumed sweep offers what the full one does, for what follows the resume point") {
  const Toy toy;
  const std::int64_t batch = 5;
  const std::vector<float> x = toy.samples(batch);
  const PlanOptions options{
      .batch = batch, .outputs = {toy.logits}, .root = toy.target, .gradients = toy.weights, .resume = {toy.weights[2]}};
  Workspace<float> workspace(Plan(toy.tape, options));
  workspace.bind(toy.x, x);
  workspace.replay(toy.parameters);
  const std::vector<float> full = batch_gradient(workspace, toy.parameters);
  workspace.resume(0, toy.parameters);
  const std::vector<float> resumed = batch_gradient(workspace, toy.parameters);
  const std::size_t before = Toy::width * (Toy::in + 1);  // W0 and b0 come before the resume point
  REQUIRE(full.size() == resumed.size());
  for (std::size_t i = 0; i < full.size(); ++i) CHECK(resumed[i] == (i < before ? 0 : full[i]));
  CHECK(std::ranges::any_of(std::span(full).first(before), [](float g) { return g != 0; }));
}

TEST_CASE("workspace: resuming from a changed activation, seen through a tap") {
  const Toy toy;
  const std::int64_t batch = 4;
  const std::vector<float> x = toy.samples(batch);
  const auto zero_third_neuron = [](std::span<float> h) {
    for (std::size_t i = 2; i < h.size(); i += Toy::width) h[i] = 0;
  };
  for (const ValueId tapped : {toy.h0, toy.h1, toy.h2}) {
    Workspace<float> full(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}, .taps = {tapped}}));
    full.bind(toy.x, x);
    full.replay(toy.parameters);
    const std::vector<float> clean = copy(full.value(toy.logits));
    full.tap(tapped, zero_third_neuron);
    full.replay(toy.parameters);
    const std::vector<float> perturbed = copy(full.value(toy.logits));
    CHECK(perturbed != clean);

    Workspace<float> resumed(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}, .resume = {tapped}, .taps = {tapped}}));
    resumed.bind(toy.x, x);
    resumed.replay(toy.parameters);
    CHECK(copy(resumed.value(toy.logits)) == clean);
    resumed.tap(tapped, zero_third_neuron);
    resumed.resume(0, toy.parameters);
    CHECK(copy(resumed.value(toy.logits)) == perturbed);
    resumed.tap(tapped, {});
    resumed.resume(0, toy.parameters);  // the clean value was kept
    CHECK(copy(resumed.value(toy.logits)) == clean);
  }
}

TEST_CASE("workspace: resuming from a new input") {
  const Toy toy;
  const std::vector<float> x = toy.samples(2), other = toy.samples(2, 6);
  Workspace<float> workspace(Plan(toy.tape, {.batch = 2, .outputs = {toy.logits}, .resume = {toy.x}}));
  workspace.bind(toy.x, x);
  workspace.replay(toy.parameters);
  workspace.bind(toy.x, other);
  workspace.resume(0, toy.parameters);
  const std::vector<float> resumed = copy(workspace.value(toy.logits));
  workspace.replay(toy.parameters);
  CHECK(copy(workspace.value(toy.logits)) == resumed);
}

TEST_CASE("workspace: planning for inference shares more memory and changes no bit") {
  const Toy toy;
  const std::int64_t batch = 64;
  const std::vector<float> x = toy.samples(batch);
  const auto inference = std::make_shared<const Plan>(toy.tape, PlanOptions{.batch = batch, .outputs = {toy.logits}});
  const auto training = std::make_shared<const Plan>(
      toy.tape, PlanOptions{.batch = batch, .outputs = {toy.logits}, .root = toy.target, .gradients = toy.weights});
  CHECK(inference->bytes() < training->bytes());
  // Never more than three values of the width are alive at once (h0, and two around each op), besides logits.
  CHECK(inference->bytes() <= 3 * static_cast<std::size_t>(batch * Toy::width) * sizeof(float) + 1024);
  Workspace<float> a(inference), b(training);
  for (Workspace<float>* workspace : {&a, &b}) {
    workspace->bind(toy.x, x);
    workspace->replay(toy.parameters);
  }
  CHECK(copy(a.value(toy.logits)) == copy(b.value(toy.logits)));
}

TEST_CASE("workspace: per-sample gradients add up to the batch's, shared weights included") {
  const Toy toy;
  const std::int64_t batch = 6;
  const std::vector<float> x = toy.samples(batch);
  const auto plan = [&](std::int64_t size) {
    return Plan(toy.tape, {.batch = size, .root = toy.target, .gradients = toy.weights});
  };
  Workspace<float> workspace(plan(batch)), single(plan(1));
  workspace.bind(toy.x, x);
  workspace.replay(toy.parameters);
  const std::vector<float> sum = batch_gradient(workspace, toy.parameters);
  PerSample own(*toy.parameters.table(), batch);
  workspace.reverse(own);

  std::size_t offset = 0;
  for (int id = 0; id < toy.parameters.size(); ++id) {
    const auto size = static_cast<std::size_t>(toy.parameters[id].size());
    for (std::size_t i = 0; i < size; ++i) {
      double total = 0, magnitude = 0;
      for (std::size_t sample = 0; sample < static_cast<std::size_t>(batch); ++sample) {
        const double g = own.values[static_cast<std::size_t>(id)][sample * size + i];
        total += g;
        magnitude += std::abs(g);
      }
      CHECK(std::abs(total - static_cast<double>(sum[offset + i])) <= 1e-5 * magnitude);
    }
    offset += size;
  }
  for (std::size_t sample = 0; sample < static_cast<std::size_t>(batch); ++sample) {
    single.bind(toy.x, std::span(x).subspan(sample * Toy::in, Toy::in));
    single.replay(toy.parameters);
    const std::vector<float> alone = batch_gradient(single, toy.parameters);
    std::size_t at = 0;
    for (int id = 0; id < toy.parameters.size(); ++id)
      for (std::size_t i = 0, size = static_cast<std::size_t>(toy.parameters[id].size()); i < size; ++i, ++at)
        CHECK(own.values[static_cast<std::size_t>(id)][sample * size + i] == doctest::Approx(alone[at]).epsilon(1e-4));
  }
}

TEST_CASE("workspace: a run can be swept again, with another seed") {
  const Toy toy;
  const std::vector<float> x = toy.samples(9);
  Workspace<float> workspace(Plan(toy.tape, {.batch = 9, .root = toy.target, .gradients = toy.weights}));
  workspace.bind(toy.x, x);
  workspace.replay(toy.parameters);
  const std::vector<float> first = batch_gradient(workspace, toy.parameters);
  BatchGradient<float> other(*toy.parameters.table());
  workspace.reverse(other, std::vector<float>(9, -2.0f));
  CHECK(batch_gradient(workspace, toy.parameters) == first);
  CHECK(other.of(0)[0] == -2 * first[0]);
}

TEST_CASE("workspace: any value may stand where a weight stands, but then only the batch's gradient exists") {
  Tape tape;
  const Var x = tape.input("x", {3}), w = tape.parameter({.name = "w", .shape = {2, 3}});
  const Var y = linear(x, w * w);
  const Var target = sum(y, {1});
  Parameters parameters(tape.parameters());
  Toy::fill(parameters.mutable_values<float>(0), 4);
  const std::vector<float> samples = {1, 2, 3, -4, 5, 0.5f};
  Workspace<float> workspace(Plan(tape, {.batch = 2, .root = target.id(), .gradients = {w.id()}}));
  workspace.bind(x, samples);
  workspace.replay(parameters);
  const std::vector<float> gradient = batch_gradient(workspace, parameters);
  for (std::size_t i = 0; i < 6; ++i)  // d/dw sum_s sum_o (w^2)_oi x_si = 2 w_oi sum_s x_si
    CHECK(gradient[i] == doctest::Approx(2 * parameters[0].values<float>()[i] * (samples[i % 3] + samples[3 + i % 3])));
  PerSample sink(*parameters.table(), 2);
  CHECK_THROWS_WITH_AS(workspace.reverse(sink),
                       "parameter 'w': per-sample gradients do not exist, because the network reads values computed from it",
                       Error);
}

TEST_CASE("workspace: a sum over the batch has no per-sample gradients") {
  Tape tape;
  const Var x = tape.input("x", {3}), w = tape.parameter({.name = "w", .shape = {2, 3}});
  const Var loss = mean(linear(x, w), {0, 1});
  Parameters parameters(tape.parameters());
  const std::vector<float> samples = {1, 2, 3, 4, 5, 6};
  Workspace<float> workspace(Plan(tape, {.batch = 2, .root = loss.id(), .gradients = {w.id()}}));
  workspace.bind(x, samples);
  workspace.replay(parameters);
  const std::vector<float> gradient = batch_gradient(workspace, parameters);
  for (std::size_t i = 0; i < 6; ++i) CHECK(gradient[i] == doctest::Approx((samples[i % 3] + samples[3 + i % 3]) / 4));
  PerSample sink(*parameters.table(), 2);
  CHECK_THROWS_AS(workspace.reverse(sink), Error);
}

TEST_CASE("workspace: gradients of inputs and activations can be read") {
  Tape tape;
  const Var x = tape.input("x", {2});
  const Var h = square(x);
  const Var target = sum(h * h, {1});
  Parameters parameters(tape.parameters());
  const std::vector<float> samples = {1, 2, 3, -1};
  Workspace<float> workspace(Plan(tape, {.batch = 2, .root = target.id(), .gradients = {x.id(), h.id()}}));
  workspace.bind(x, samples);
  workspace.replay(parameters);
  BatchGradient<float> sink(*parameters.table());
  workspace.reverse(sink, std::vector<float>{1, 10});
  for (std::size_t i = 0; i < 4; ++i) {
    const float seed = i < 2 ? 1.0f : 10.0f, v = samples[i];
    CHECK(workspace.gradient(h)[i] == doctest::Approx(seed * 2 * v * v));
    CHECK(workspace.gradient(x)[i] == doctest::Approx(seed * 4 * v * v * v));
  }
}

TEST_CASE("workspace: a whole tape runs in double") {
  const Toy toy;
  const std::vector<float> x = toy.samples(3);
  const std::vector<double> x64(x.begin(), x.end());
  Workspace<float> single(Plan(toy.tape, {.batch = 3, .outputs = {toy.logits}}));
  Workspace<double> twice(Plan(toy.tape, {.batch = 3, .type = DType::f64, .outputs = {toy.logits}}));
  single.bind(toy.x, x);
  single.replay(toy.parameters);
  twice.bind(toy.x, x64);
  twice.replay(toy.parameters.to(DType::f64));
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(single.value(toy.logits)[i] == doctest::Approx(twice.value(toy.logits)[i]).epsilon(1e-5));
    CHECK(static_cast<double>(single.value(toy.logits)[i]) != twice.value(toy.logits)[i]);
  }
}

TEST_CASE("workspace: replicas run side by side and give the bits of a single one") {
  const Toy toy;
  const std::int64_t batch = 50;
  const std::vector<float> x = toy.samples(batch);
  const auto plan =
      std::make_shared<const Plan>(toy.tape, PlanOptions{.batch = batch, .outputs = {toy.logits}, .resume = toy.weights});
  constexpr int replicas = 24;
  const auto run = [&](int threads) {
    std::vector<std::vector<float>> logits(replicas);
#pragma omp parallel num_threads(threads)
    {
      Workspace<float> workspace(plan);
      workspace.bind(toy.x, x);
      workspace.replay(toy.parameters);
#pragma omp for schedule(dynamic)
      for (int replica = 0; replica < replicas; ++replica) {
        Parameters perturbed = toy.parameters;
        const std::size_t point = static_cast<std::size_t>(replica) % toy.weights.size();
        Toy::fill(perturbed.mutable_values<float>(toy.tape.node(toy.weights[point]).parameter),
                  static_cast<std::uint64_t>(replica));
        workspace.resume(point, perturbed);
        logits[static_cast<std::size_t>(replica)] = copy(workspace.value(toy.logits));
      }
    }
    return logits;
  };
  const auto one = run(1);
  CHECK(run(2) == one);
  CHECK(run(4) == one);
}

TEST_CASE("workspace: what cannot be done is said before anything is computed") {
  const Toy toy;
  const std::vector<float> x = toy.samples(2);
  BatchGradient<float> sink(*toy.parameters.table());
  Workspace<float> workspace(Plan(toy.tape, {.batch = 2, .outputs = {toy.logits}, .resume = {toy.weights[0]}}));
  CHECK_THROWS_WITH_AS(workspace.replay(toy.parameters), "input 'x' is not bound", Error);
  CHECK_THROWS_WITH_AS(workspace.bind(toy.x, std::span(x).first(3)),
                       "input 'x': 3 values of f32, expected 6 of f32 for shape [2, 3]", Error);
  const std::vector<std::int64_t> indices(6);
  CHECK_THROWS_WITH_AS(workspace.bind(toy.x, indices), "input 'x': 6 values of i64, expected 6 of f32 for shape [2, 3]", Error);
  CHECK_THROWS_AS(workspace.bind(toy.logits, x), Error);
  CHECK_THROWS_WITH_AS(workspace.resume(0, toy.parameters), "workspace: resume needs a full replay before it", Error);
  CHECK_THROWS_WITH_AS(workspace.resume(1, toy.parameters), "workspace: resume point 1, but the plan has 1", Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(workspace.value(toy.logits)), "workspace: nothing has been run yet", Error);
  workspace.bind(toy.x, x);
  CHECK_THROWS_WITH_AS(workspace.replay(toy.parameters.to(DType::f64)), "workspace: parameters are f64, the plan is for f32",
                       Error);
  CHECK_THROWS_AS(workspace.replay(Parameters(std::make_shared<ParameterTable>())), Error);
  workspace.replay(toy.parameters);
  CHECK_THROWS_WITH_AS(static_cast<void>(workspace.value(toy.h1)),
                       "workspace: value 'h1' is not kept by this plan; make it an output", Error);
  CHECK_THROWS_WITH_AS(workspace.reverse(sink), "workspace: the plan has no root to sweep from", Error);
  CHECK_THROWS_AS(workspace.tap(toy.h1, {}), Error);
  CHECK_THROWS_AS(Workspace<double>(Plan(toy.tape, {.outputs = {toy.logits}})), Error);
}
