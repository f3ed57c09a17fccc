// What small networks cost, where the overhead of an engine shows: nanoseconds an op of a replay beyond its kernel, and the
// milliseconds of training one moons network and of replaying it with one perturbed layer at a time. moons_torch.py does the same
// work in PyTorch, moons_compare.py runs both.
//
//   moons_bench [key=value,...]    depth=4 width=32 epochs=6 batch=32 replays=1000 points=32 repeats=5

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string_view>
#include <vector>

#include "engine/ops/activation.h"
#include "engine/parallel.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/moons.h"
#include "models/perturbation.h"
#include "models/spec.h"
#include "models/training.h"

using namespace safer;

namespace {

struct Options {
  std::int64_t depth = 4, width = 32, batch = 32, replays = 1000, points = 32;
  int epochs = 6, repeats = 5;
};

Options parse(std::string_view text) {
  constexpr std::array<std::string_view, 7> keys = {"depth", "width", "epochs", "batch", "replays", "points", "repeats"};
  const SpecOptions given("moons_bench", text, keys);
  Options options;
  const auto set = [&](std::string_view key, auto& value) {
    value = given.number<std::remove_reference_t<decltype(value)>>(key, "a number").value_or(value);
    if (value < 1) given.fail(key, std::to_string(value), "at least 1");
  };
  set("depth", options.depth);
  set("width", options.width);
  set("epochs", options.epochs);
  set("batch", options.batch);
  set("replays", options.replays);
  set("points", options.points);
  set("repeats", options.repeats);
  return options;
}

/// Of processor time, so that what else the machine does counts little.
template <class Work>
double milliseconds(const Work& work) {
  const std::clock_t start = std::clock();
  work();
  return 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + std::ssize(values) / 2);
  return values[values.size() / 2];
}

/// Nanoseconds of one of `count` equal parts of `work`, by the clock on the wall, which can see that short a time.
template <class Work>
double nanoseconds_each(int count, const Work& work) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (int i = 0; i < 201; ++i) {
    const auto start = Clock::now();
    work();
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count() / count);
  }
  return median(times);
}

struct Overhead {
  double kernel, forward, reverse_kernel, reverse;  // nanoseconds an op
};

/// A chain of one-element sigmoids, against a plain loop over the same kernels.
Overhead overhead() {
  constexpr int ops = 1000;
  Tape tape;
  const Var x = tape.input("x", {1});
  Var y = x;
  for (int i = 0; i < ops; ++i) y = sigmoid(y);
  Workspace<float> workspace(Plan(tape, {.root = y.id(), .gradients = {x.id()}}));
  const Parameters none(tape.parameters());
  BatchGradient<float> sink(*tape.parameters());
  const std::array<float, 1> value = {0.5f};
  workspace.bind(x, value);
  workspace.replay(none);

  const auto& table = kernels::table<float>();
  constexpr auto kind = static_cast<std::size_t>(kernels::Unary::sigmoid);
  std::vector<float> values(ops + 1, 0.5f), gradients(ops + 1, 1.0f);
  return {nanoseconds_each(ops,
                           [&] {
                             for (std::size_t i = 0; i < ops; ++i) table.unary[kind](&values[i + 1], &values[i], 1, 0);
                           }),
          nanoseconds_each(ops, [&] { workspace.replay(none); }),
          nanoseconds_each(ops,
                           [&] {
                             for (std::size_t i = ops; i-- > 0;)
                               table.unary_gradient[kind](&gradients[i], &gradients[i + 1], nullptr, &values[i + 1], 1, 0, false);
                           }),
          nanoseconds_each(ops, [&] { workspace.reverse(sink); })};
}

/// Perturbs the layers in turn, with all three noises at nine levels, and keeps the logits [replays, points, classes].
std::vector<float> replay(const Network& network, const Dataset& test, const Options& options) {
  const std::vector<Layer> layers = network.tape.layers();
  PlanOptions plan{.batch = options.points, .outputs = {network.logits}};
  for (const Layer& layer : layers) plan.resume.push_back(network.tape.parameter_value(layer.parameter));
  Workspace<float> workspace(Plan(network.tape, plan));
  workspace.bind(network.input, test.inputs.values<float>());
  workspace.replay(network.parameters);

  std::vector<float> logits(static_cast<std::size_t>(options.replays * options.points * network.classes()));
  auto to = logits.begin();
  for (std::size_t draw = 0; draw < static_cast<std::size_t>(options.replays); ++draw) {
    const std::size_t at = draw % layers.size();
    const auto noise = static_cast<Noise>(draw / layers.size() % 3);
    const double level = 0.1 * (1 + static_cast<double>(draw % 9));
    workspace.resume(at, perturbed(network.parameters, layers[at], noise, level, draw));
    to = std::ranges::copy(workspace.value(network.logits), to).out;
  }
  return logits;
}

void run(const Options& options) {
  set_threads(1);
  const Overhead op = overhead();
  const Dataset data = make_moons(2000, 0.1, 0, Split::training), test = make_moons(1000, 0.1, 0, Split::test);
  const Dataset points = test.slice(0, options.points);
  std::vector<double> training, replaying;
  Network network;
  for (int repeat = -1; repeat < options.repeats; ++repeat) {  // the first one warms up
    network = make_moons_network({.depth = options.depth, .widths = {options.width}});
    const double train_ms = milliseconds([&] { train(network, data, {.epochs = options.epochs, .batch = options.batch}); });
    const double replay_ms = milliseconds([&] { replay(network, points, options); });
    if (repeat < 0) continue;
    training.push_back(train_ms);
    replaying.push_back(replay_ms);
  }
  std::printf("{\"who\": \"safer, %s\", \"train_ms\": %.3f, \"replay_ms\": %.3f, \"accuracy\": %.4f,\n",
              std::string(kernels::active().name).c_str(), median(training), median(replaying), evaluate(network, test).accuracy);
  std::printf(" \"op_ns\": %.1f, \"op_kernel_ns\": %.1f, \"reverse_op_ns\": %.1f, \"reverse_op_kernel_ns\": %.1f}\n", op.forward,
              op.kernel, op.reverse, op.reverse_kernel);
}

}  // namespace

int main(int count, char** arguments) try {
  run(parse(count > 1 ? arguments[1] : ""));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
