// Throughput of the kernels of every instruction set that runs here, other libraries beside them. Every result is checked before it
// is timed. Times are of the processor where one thread runs, so that other programs disturb less: read "max", the best of ten.
// `kernels_bench --benchmark_filter=gemm/avx2` selects; --benchmark_format=json writes what scripts can compare.
#include "bench/kernels_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/parallel.h"
#include "engine/random.h"

namespace safer::bench {

Floats random_floats(std::int64_t n, std::uint64_t key) {
  Floats values(static_cast<std::size_t>(n));
  Random random(key);
  for (float& v : values) v = float(2 * random.uniform() - 1);
  return values;
}

namespace {

template <class Want>
void check_each(std::string_view name, std::span<const float> got, std::span<const Want> want, double tolerance) {
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(double(got[i]) - double(want[i])) <= tolerance * std::max(1.0, std::abs(double(want[i])))))
      throw Error("{}: element {} is {}, expected {}", name, i, got[i], want[i]);
}

}  // namespace

void check_equal(std::string_view name, std::span<const float> got, std::span<const float> want, double tolerance) {
  check_each(name, got, want, tolerance);
}
void check_equal(std::string_view name, std::span<const float> got, std::span<const double> want, double tolerance) {
  check_each(name, got, want, tolerance);
}

void measure(benchmark::State& state, int threads, const Work& work, const Limits& limits, const std::function<void()>& f) {
  using benchmark::Counter;
  set_threads(threads);
  for (auto _ : state) {
    f();
    benchmark::ClobberMemory();
  }
  const auto rate = [](double amount) { return Counter(amount, Counter::kIsIterationInvariantRate); };
  if (work.operations > 0) state.counters["GFLOP/s"] = rate(work.operations / 1e9);
  if (work.bytes > 0) state.counters["GB/s"] = rate(work.bytes / 1e9);
  const double computing = limits.peak > 0 ? work.operations / 1e9 / (limits.peak * threads) : 0;
  const double moving = work.bytes / 1e9 / (threads > 1 ? limits.shared_bandwidth : limits.bandwidth);
  state.counters["%roof"] = rate(100 * std::max(computing, moving));
}

void add(const std::string& name, int threads, const std::function<void(benchmark::State&)>& run) {
  auto* bench = benchmark::RegisterBenchmark(name.c_str(), run);
  bench->MinTime(0.02)->Repetitions(10)->ReportAggregatesOnly(true);
  bench->ComputeStatistics("max", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); });
  if (threads > 1) bench->UseRealTime();
}

namespace {

void add_all() {
  Limits widest;
  const KernelTable<float>& baseline = *kernels::isas().back().table;
  for (const kernels::Isa& isa : kernels::isas()) {
    if (!isa.runs_here()) continue;
    const KernelTable<float>& table = *isa.table;
    const Limits limits = measure_limits(table.name);
    benchmark::AddCustomContext(fmt::format("limits of {}", table.name),
                                fmt::format("{:.1f} GFLOP/s on one thread; {:.1f} GB/s on one, {:.1f} on two", limits.peak,
                                            limits.bandwidth, limits.shared_bandwidth));
    if (&table == &kernels::active()) widest = limits;
    add_products(table, limits);
    add_streams(table, baseline, limits);
    add_images(table, limits);
    add_convolutions(table, limits);
    add_attention(table, limits);
  }
  add_peer_products(widest);
  add_peer_convolutions(widest);
}

}  // namespace
}  // namespace safer::bench

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  try {
    benchmark::AddCustomContext("active instruction set", std::string(safer::kernels::active().name));
    benchmark::AddCustomContext("compiler", __VERSION__);
    safer::bench::add_all();
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernels_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
