// Whole networks with random weights: a forward run, and a run with the reverse sweep of training, for several batch sizes, against
// the peak that multiply-adds reach in the same process. Logits are first held against those of the baseline instruction set. Times
// are of the processor where one thread runs. `networks_bench --benchmark_filter=resnet18/forward/` selects; OMP_NUM_THREADS and
// SAFER_ISA choose the number of threads and the instruction set.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/kernels_bench.h"
#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"
#include "models/model_spec.h"

namespace safer::bench {
namespace {

constexpr std::string_view networks[] = {"resnet8", "resnet18", "mobilenet_v2", "vit_tiny"};
constexpr std::int64_t batches[] = {1, 8, 32};

enum class Pass { forward, both };
constexpr std::string_view pass_names[] = {"forward", "forward+backward"};

PlanOptions plan_options(const Network& network, std::int64_t batch, Pass pass) {
  if (pass == Pass::forward) return {.batch = batch, .outputs = {network.logits}};
  PlanOptions options{.batch = batch, .mode = Mode::training, .outputs = {network.logits}, .root = network.logits};
  for (int id = 0; id < network.parameters.size(); ++id)
    if (network.parameters.spec(id).role != Role::buffer) options.gradients.push_back(network.tape.parameter_value(id));
  return options;
}

/// A network at work on random images.
class Runner {
 public:
  Runner(const Network& network, std::int64_t batch, Pass pass, const KernelTable<float>& table = kernels::table<float>())
      : network_(network),
        pass_(pass),
        inputs_(static_cast<std::size_t>(batch * network.sample_shape().size())),
        sink_(*network.tape.parameters()),
        workspace_(std::make_shared<const Plan>(network.tape, plan_options(network, batch, pass)), table) {
    Random random(1);
    for (float& value : inputs_) value = static_cast<float>(random.normal());
    workspace_.bind(network.input, std::span<const float>(inputs_));
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void run() {
    workspace_.replay(network_.parameters);
    if (pass_ == Pass::both) workspace_.reverse(sink_);
  }
  std::vector<float> logits() const {
    const std::span<const float> values = workspace_.value(network_.logits);
    return {values.begin(), values.end()};
  }
  std::size_t bytes() const { return workspace_.plan().bytes(); }

 private:
  const Network& network_;
  Pass pass_;
  std::vector<float> inputs_;
  BatchGradient<float> sink_;
  Workspace<float> workspace_;
};

/// Of a forward run. A reverse sweep takes about twice as many: as many for the gradients of inputs, and of weights.
double operations(const Network& network, std::int64_t batch) {
  double multiply_adds = 0;
  for (const Node& node : network.tape.nodes()) {
    if (!node.op) continue;
    std::vector<Shape> in;
    for (const ValueId input : node.inputs) in.push_back(network.tape.node(input).type.at(batch));
    multiply_adds += static_cast<double>(node.op->multiply_adds(in, node.type.at(batch)));
  }
  return 2 * multiply_adds;
}

void check(const Network& network) {
  Runner fast(network, 2, Pass::forward), plain(network, 2, Pass::forward, *kernels::isas().back().table);
  fast.run(), plain.run();
  const std::vector<float> got = fast.logits(), want = plain.logits();
  float largest = 0;
  for (const float value : want) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - want[i]) <= 1e-3f * largest))
      throw Error("{}: logit {} is {}, but {} with {}", network.name, i, got[i], want[i], kernels::isas().back().table->name);
}

/// `peak`: of one thread, in GFLOP/s; 0: not known.
void add_network(const std::shared_ptr<const Network>& network, Pass pass, std::int64_t batch, int threads, double peak) {
  const std::string name =
      fmt::format("{}/{}/batch:{}/threads:{}", network->name, pass_names[static_cast<std::size_t>(pass)], batch, threads);
  auto* bench = benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    set_threads(threads);
    Runner runner(*network, batch, pass);
    runner.run();
    for (auto _ : state) runner.run();
    using benchmark::Counter;
    const double work = (pass == Pass::forward ? 1 : 3) * operations(*network, batch);
    state.counters["GFLOP/s"] = Counter(work / 1e9, Counter::kIsIterationInvariantRate);
    state.counters["images/s"] = Counter(static_cast<double>(batch), Counter::kIsIterationInvariantRate);
    if (peak > 0) state.counters["%peak"] = Counter(work / 1e7 / (peak * threads), Counter::kIsIterationInvariantRate);
    state.counters["MB"] = static_cast<double>(runner.bytes()) / 1e6;
  });
  bench->Unit(benchmark::kMillisecond)->MinTime(0.05)->Repetitions(10)->ReportAggregatesOnly(true);
  if (threads > 1) bench->UseRealTime();
  bench->ComputeStatistics("max", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); });
}

void add_all() {
  const int all_threads = available_threads();
  const double peak = measure_limits(kernels::active().name).peak;
  benchmark::AddCustomContext("active instruction set", std::string(kernels::active().name));
  benchmark::AddCustomContext("peak", fmt::format("{:.1f} GFLOP/s on one thread", peak));
  for (const std::string_view name : networks) {
    const auto network = std::make_shared<const Network>(untrained_model(name));
    check(*network);
    for (const Pass pass : {Pass::forward, Pass::both})
      for (const std::int64_t batch : batches)
        for (const int threads : std::set{1, all_threads}) add_network(network, pass, batch, threads, peak);
  }
}

}  // namespace
}  // namespace safer::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  try {
    benchmark::AddCustomContext("compiler", __VERSION__);
    safer::bench::add_all();
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "networks_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
