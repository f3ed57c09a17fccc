// Throughput of the kernels of every instruction set that runs here, Eigen's product beside them. Every result is checked before it
// is timed. Times are of the processor where one thread runs, so that other programs disturb less: read "max", the best of ten.
// `kernels_bench --benchmark_filter=gemm/avx2` selects; --benchmark_format=json writes what scripts can compare.
#include "bench/kernels_bench.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/reference/reference.h"

namespace safer::bench {
namespace {

using kernels::Axes;
using kernels::Gemm;
using kernels::Isa;
using kernels::KernelTable;
using kernels::Unary;

std::vector<float> random_floats(std::int64_t n, std::uint64_t key) {
  std::vector<float> values(static_cast<std::size_t>(n));
  Random random(key);
  for (float& v : values) v = float(2 * random.uniform() - 1);
  return values;
}

/// Seconds of processor time of this thread: what other programs do on a busy machine does not count.
double seconds() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

/// The most multiply-adds a second that this set reaches, in GFLOP/s of one thread.
double peak(std::string_view isa) {
  double best = 0;
  for (int run = 0; run < 30; ++run) {
    const double start = seconds();
    const std::int64_t operations = multiply_adds(isa, 100000);
    best = std::max(best, double(operations) / (seconds() - start) / 1e9);
  }
  return best;
}

enum class Form { plain, transposed_b, packed_b, transposed_a };
constexpr std::string_view form_names[] = {"AB", "ABt", "ABt-packed", "AtB"};

struct Product {
  std::int64_t m, n, k;
};

/// Layers of the moons networks (batch x out x in), small and large squares, and two convolutions as products.
constexpr Product products[] = {{32, 64, 2},     {32, 2, 64},        {32, 64, 64},    {256, 64, 64},   {1000, 32, 32},
                                {1000, 64, 64},  {1, 64, 64},        {64, 64, 64},    {128, 128, 128}, {256, 256, 256},
                                {512, 512, 512}, {1024, 1024, 1024}, {64, 3136, 576}, {512, 49, 4608}};

/// Memory of one product and its description.
struct Operands {
  Operands(const KernelTable<float>* table, Product p, Form form)
      : a(random_floats(p.m * p.k, 1)), b(random_floats(p.k * p.n, 2)), c(static_cast<std::size_t>(p.m * p.n)) {
    const bool at = form == Form::transposed_a, bt = form == Form::transposed_b || form == Form::packed_b;
    gemm = {p.m, p.n, p.k, a.data(), at ? 1 : p.k, at ? p.m : 1, b.data(), bt ? 1 : p.n, bt ? p.k : 1, c.data(), p.n};
    if (form != Form::packed_b) return;
    packed.resize(static_cast<std::size_t>(table->packed_b_size(p.k, p.n)));
    table->pack_b(packed.data(), gemm);
    gemm.packed_b = packed.data();
  }

  void check(const std::string& name) const {
    const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
    std::vector<double> want(c.size());
    kernels::reference_table.gemm({gemm.m, gemm.n, gemm.k, wide_a.data(), gemm.a_row, gemm.a_col, wide_b.data(), gemm.b_row,
                                   gemm.b_col, want.data(), gemm.n});
    for (std::size_t i = 0; i < c.size(); ++i)
      if (!(std::abs(c[i] - want[i]) <= 1e-6 * double(gemm.k)))
        throw Error("{}: element {} is {}, but the reference says {}", name, i, c[i], want[i]);
  }

  std::vector<float> a, b, c, packed;
  Gemm<float> gemm;
};

/// Times f, which does `operations` floating-point operations and moves `bytes`; `peak` in GFLOP/s, 0: not compared.
void measure(benchmark::State& state, int threads, double operations, double bytes, double peak, const std::function<void()>& f) {
  using benchmark::Counter;
  set_threads(threads);
  for (auto _ : state) {
    f();
    benchmark::ClobberMemory();
  }
  if (operations > 0) state.counters["GFLOP/s"] = Counter(operations / 1e9, Counter::kIsIterationInvariantRate);
  if (peak > 0) state.counters["%peak"] = Counter(operations / 1e7 / (peak * threads), Counter::kIsIterationInvariantRate);
  if (bytes > 0) state.counters["GB/s"] = Counter(bytes / 1e9, Counter::kIsIterationInvariantRate);
}

template <class F>
void add(const std::string& name, int threads, const F& f) {
  auto* bench = benchmark::RegisterBenchmark(name.c_str(), f);
  bench->MinTime(0.02)->Repetitions(10)->ReportAggregatesOnly(true);
  bench->ComputeStatistics("max", [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); });
  if (threads > 1) bench->UseRealTime();
}

void add_product(const KernelTable<float>& table, Product p, Form form, int threads, double peak) {
  const std::string name = fmt::format("gemm/{}/{}x{}x{}/{}/threads:{}", table.name, p.m, p.n, p.k, form_names[int(form)], threads);
  add(name, threads, [=, &table](benchmark::State& state) {
    Operands x(&table, p, form);
    set_threads(threads);
    table.gemm(x.gemm);
    x.check(name);
    measure(state, threads, 2.0 * double(p.m) * double(p.n) * double(p.k), 0, peak, [&] { table.gemm(x.gemm); });
  });
}

void add_eigen_product(Product p, double peak) {
  const std::string name = fmt::format("gemm/eigen/{}x{}x{}/AB/threads:1", p.m, p.n, p.k);
  add(name, 1, [=](benchmark::State& state) {
    Operands x(nullptr, p, Form::plain);
    const auto run = [&] { eigen_gemm(x.c.data(), x.a.data(), x.b.data(), p.m, p.n, p.k); };
    run();
    x.check(name);
    measure(state, 1, 2.0 * double(p.m) * double(p.n) * double(p.k), 0, peak, run);
  });
}

/// A kernel on n floats; `streams`: arrays of n that it reads or writes.
struct Stream {
  std::string_view name;
  int streams;
  void (*run)(const KernelTable<float>& table, float* y, const float* a, const float* b, std::int64_t n);
};

constexpr Stream streams[] = {
    {"relu", 2, [](auto& t, float* y, const float* a, const float*, std::int64_t n) { t.unary[int(Unary::relu)](y, a, n, 0); }},
    {"gelu", 2, [](auto& t, float* y, const float* a, const float*, std::int64_t n) { t.unary[int(Unary::gelu)](y, a, n, 0); }},
    {"tanh", 2, [](auto& t, float* y, const float* a, const float*, std::int64_t n) { t.unary[int(Unary::tanh)](y, a, n, 0); }},
    {"exp", 2, [](auto& t, float* y, const float* a, const float*, std::int64_t n) { t.unary[int(Unary::exp)](y, a, n, 0); }},
    {"add", 3, [](auto& t, float* y, const float* a, const float* b, std::int64_t n) { t.binary[0](y, a, 1, b, 1, n, 1, false); }},
    {"dot", 2, [](auto& t, float* y, const float* a, const float* b, std::int64_t n) { y[0] = t.dot(a, b, n); }},
    {"softmax64", 2,
     [](auto& t, float* y, const float* a, const float*, std::int64_t n) {
       t.softmax(y, a, Axes{n / 64, 64, 1});
     }},
    {"softmax2", 2,
     [](auto& t, float* y, const float* a, const float*, std::int64_t n) {
       t.softmax(y, a, Axes{n / 2, 2, 1});
     }},
    {"layer_norm64", 2,
     [](auto& t, float* y, const float* a, const float* b, std::int64_t n) { t.layer_norm(y, a, b, b, n / 64, 64, 1e-5f); }},
};

/// One thread; compared beforehand with the baseline's result, which the tests hold against the reference.
void add_stream(const KernelTable<float>& table, const Stream& s, std::int64_t n) {
  const std::string name = fmt::format("{}/{}/{}", s.name, table.name, n);
  add(name, 1, [=, &table](benchmark::State& state) {
    const std::vector<float> a = random_floats(n, 3), b = random_floats(n, 4);
    std::vector<float> y(static_cast<std::size_t>(n)), want(y);
    s.run(table, y.data(), a.data(), b.data(), n);
    s.run(*kernels::isas().back().table, want.data(), a.data(), b.data(), n);
    for (std::size_t i = 0; i < y.size(); ++i)
      if (!(std::abs(y[i] - want[i]) <= 1e-4 * std::max(1.f, std::abs(want[i])))) throw Error("{}: element {} differs", name, i);
    measure(state, 1, 0, double(s.streams) * double(n) * sizeof(float), 0, [&] { s.run(table, y.data(), a.data(), b.data(), n); });
  });
}

void add_all() {
  double eigen_peak = 0;
  for (const Isa& isa : kernels::isas()) {
    if (!isa.runs_here()) continue;
    const KernelTable<float>& table = *isa.table;
    const double most = peak(table.name);
    benchmark::AddCustomContext(fmt::format("peak of {}", table.name), fmt::format("{:.1f} GFLOP/s on one thread", most));
    if (table.name == "avx2" || table.name == "neon64") eigen_peak = most;
    for (const Product& p : products)
      for (const Form form : {Form::plain, Form::transposed_b, Form::packed_b, Form::transposed_a})
        add_product(table, p, form, 1, most);
    for (const Product& p : {Product{512, 512, 512}, Product{1024, 1024, 1024}, Product{1000, 64, 64}})
      add_product(table, p, Form::plain, 2, most);
    for (const Stream& s : streams)
      for (const std::int64_t n : {4096, 1 << 20}) add_stream(table, s, n);
  }
  for (const Product& p : products)
    if (eigen_peak > 0) add_eigen_product(p, eigen_peak);
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
