// One residual block, relu(batch_norm(conv(x)) + x) with 3x3 taps, as a plan runs it with its ops fused and one by one. Both
// results are compared before either is timed. Times are of the processor where one thread runs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/ops/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"

namespace safer::bench {
namespace {

constexpr std::int64_t batch = 8;

struct Size {
  std::int64_t channels, pixels;  // along one side
};
constexpr Size sizes[] = {{16, 32}, {64, 56}, {128, 28}};

void fill(std::span<float> values, std::uint64_t key, double low) {
  Random random(key);
  for (float& value : values) value = static_cast<float>(low + 2 * random.uniform());
}

struct Block {
  explicit Block(Size size) {
    const std::int64_t channels = size.channels;
    const auto norm = [&](const char* name) { return tape.parameter({.name = name, .shape = {channels}, .role = Role::buffer}); };
    const Var x = tape.input("x", {channels, size.pixels, size.pixels});
    const Var w = tape.parameter({.name = "conv.weight", .shape = {channels, channels, 3, 3}});
    const Var gamma = norm("gamma"), beta = norm("beta"), mean = norm("mean"), variance = norm("variance");
    const Var y = relu(add(batch_norm(conv2d(x, w, {}, {.padding = 1}), gamma, beta, mean, variance), x));
    input = x.id(), output = y.id();
    parameters = Parameters(tape.parameters());
    for (int id = 0; id < parameters.size(); ++id)
      fill(parameters.mutable_values<float>(id), static_cast<std::uint64_t>(id), id == 4 ? 0.5 : -1);  // variances are positive
    values.resize(static_cast<std::size_t>(batch * channels * size.pixels * size.pixels));
    fill(values, 9, -1);
  }

  Workspace<float> workspace(bool fuse) const {
    Workspace<float> made(Plan(tape, {.batch = batch, .outputs = {output}, .fuse = fuse}));
    made.bind(input, values);
    made.replay(parameters);
    return made;
  }

  Tape tape;
  ValueId input = no_value, output = no_value;
  Parameters parameters;
  std::vector<float> values;
};

void check(const Block& block) {
  const Workspace<float> fused = block.workspace(true), apart = block.workspace(false);
  const std::span<const float> a = fused.value(block.output), b = apart.value(block.output);
  float largest = 0, off = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, b[i]), off = std::max(off, std::abs(a[i] - b[i]));
  if (!(off <= 1e-5f * largest)) throw Error("fusion_bench: fused and unfused results differ by {} of {}", off, largest);
}

void run(benchmark::State& state, Size size, bool fuse) {
  const Block block(size);
  check(block);
  Workspace<float> workspace = block.workspace(fuse);
  for (auto _ : state) workspace.replay(block.parameters);
  state.counters["bytes"] = static_cast<double>(workspace.plan().bytes());
  state.SetLabel(fmt::format("{}, {} steps", kernels::active().name, workspace.plan().listing().size()));
}

void add_all() {
  for (const Size size : sizes)
    for (const bool fuse : {true, false})
      benchmark::RegisterBenchmark(
          fmt::format("block/{}x{}x{}/{}", size.channels, size.pixels, size.pixels, fuse ? "fused" : "apart").c_str(),
          [size, fuse](benchmark::State& state) { run(state, size, fuse); })
          ->Unit(benchmark::kMicrosecond)
          ->MeasureProcessCPUTime();
}

}  // namespace
}  // namespace safer::bench

int main(int argc, char** argv) {
  safer::set_threads(1);
  safer::bench::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
