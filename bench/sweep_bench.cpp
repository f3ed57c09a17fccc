// What each sample's own weight gradients cost beside the batch's: forward pass, reverse sweep with a sink that folds the squares
// of the batch's gradient, and one with a sink that folds the squares of each sample's own; milliseconds, the best of `repeats`.
//
//   sweep_bench [key=value,...]    model=resnet18 batch=32 threads=1 repeats=5

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "criteria/relevance/fold.h"
#include "criteria/relevance/folding_sink.h"
#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"
#include "models/model_spec.h"
#include "models/spec.h"

using namespace safer;

namespace {

struct Options {
  std::string model = "resnet18";
  std::int64_t batch = 32;
  int threads = 1, repeats = 5;
};

Options parse(std::string_view text) {
  constexpr std::array<std::string_view, 4> keys = {"model", "batch", "threads", "repeats"};
  const SpecOptions given("sweep_bench", text, keys);
  Options options;
  options.model = given.text("model").value_or(options.model);
  const auto set = [&](std::string_view key, auto& value) {
    value = given.number<std::remove_reference_t<decltype(value)>>(key, "a number").value_or(value);
    if (value < 1) given.fail(key, std::to_string(value), "at least 1");
  };
  set("batch", options.batch);
  set("threads", options.threads);
  set("repeats", options.repeats);
  return options;
}

/// The best of some runs: of processor time on one thread, so that what else the machine does counts little; else of time.
template <class Work>
double milliseconds(const Options& options, const Work& work) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < options.repeats; ++i) {
    const std::clock_t start = std::clock();
    const Clock::time_point begin = Clock::now();
    work();
    const double processor = 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    best =
        std::min(best, options.threads == 1 ? processor : std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  return best;
}

/// The layers of a network, as sweeps want them.
struct Layers {
  explicit Layers(const Network& network) {
    for (const Layer& layer : network.tape.layers()) {
      values.push_back(network.tape.parameter_value(layer.parameter));
      parameters.push_back(layer.parameter);
      elements.push_back(network.parameters.spec(layer.parameter).shape.size());
    }
  }
  std::vector<ValueId> values;
  std::vector<int> parameters;
  std::vector<std::int64_t> elements;
};

/// The samples' own gradients must add up to the batch's, up to rounding: the difference in length is below a thousandth.
void check(const Layers& layers, const Sums& own, const BatchGradient<float>& batch) {
  for (std::size_t layer = 0; layer < layers.elements.size(); ++layer) {
    const std::span<const double> sum = own.of(0, 0, layer);
    const std::span<const float> want = batch.of(layers.parameters[layer]);
    double difference = 0, length = 0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      difference += (sum[i] - double(want[i])) * (sum[i] - double(want[i]));
      length += double(want[i]) * double(want[i]);
    }
    if (!(length > 0 && difference <= 1e-6 * length))
      throw Error("layer {}: gradients of samples and of their batch differ", layer);
  }
}

void run(const Options& options) {
  set_threads(options.threads);
  const Network network = untrained_model(options.model);
  const Layers layers(network);
  Workspace<float> workspace(std::make_shared<Plan>(
      network.tape, PlanOptions{.batch = options.batch, .root = network.logits, .gradients = layers.values}));
  std::vector<float> inputs(static_cast<std::size_t>(options.batch * network.sample_shape().size()));
  Random random(1);
  for (float& v : inputs) v = static_cast<float>(2 * random.uniform() - 1);
  workspace.bind(network.input, inputs);
  std::vector<float> seeds(static_cast<std::size_t>(options.batch * network.classes()));
  for (float& seed : seeds) seed = static_cast<float>(2 * random.uniform() - 1);

  const double forward = milliseconds(options, [&] { workspace.replay(network.parameters); });
  BatchGradient<float> summed(*network.tape.parameters());
  const double plain = milliseconds(options, [&] { workspace.reverse(summed, seeds); });
  const auto folded = [&](bool per_sample, FoldFunction* fold, bool checks) {
    Sums sums({{.elements = layers.elements}}, {options.batch});
    const Needs needs[] = {{.probe = Probe::at_weights, .per_sample = per_sample, .fold = fold}};
    const std::int64_t bounds[] = {0, options.batch};
    FoldingSink sink(sums, needs, Probe::at_weights, layers.parameters, network.parameters, bounds);
    sink.select({0, options.batch});
    if (!checks) return milliseconds(options, [&] { workspace.reverse(sink, seeds); });
    workspace.reverse(sink, seeds);
    check(layers, sums, summed);
    return 0.0;
  };
  folded(true, &fold_gradient, true);
  const double batch = folded(false, &fold_gradient_square, false), each = folded(true, &fold_gradient_square, false);
  std::printf(
      "%s, %s, batch %lld, %d threads: forward %.1f ms; reverse: batch gradient %.1f, folded %.1f, each sample folded %.1f ms; ",
      options.model.c_str(), std::string(kernels::active().name).c_str(), static_cast<long long>(options.batch), options.threads,
      forward, plain, batch, each);
  std::printf("sweep of each sample against the faster batch's: %.2f\n", (forward + each) / (forward + std::min(plain, batch)));
}

}  // namespace

int main(int count, char** arguments) try {
  run(parse(count > 1 ? arguments[1] : ""));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
