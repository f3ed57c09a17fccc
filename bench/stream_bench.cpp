#include <fmt/format.h>

#include "bench/kernels_bench.h"

// Kernels that pass over arrays of one size.
namespace safer::bench {
namespace {

using kernels::Axes;
using kernels::Unary;

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
void add_stream(const KernelTable<float>& table, const KernelTable<float>& baseline, const Limits& limits, const Stream& s,
                std::int64_t n) {
  const std::string name = fmt::format("{}/{}/{}", s.name, table.name, n);
  add(name, 1, [=, &table, &baseline](benchmark::State& state) {
    const Floats a = random_floats(n, 3), b = random_floats(n, 4);
    Floats y(static_cast<std::size_t>(n)), want(y);
    s.run(table, y.data(), a.data(), b.data(), n);
    s.run(baseline, want.data(), a.data(), b.data(), n);
    check_equal(name, y, want, 1e-4);
    const Work work{.bytes = double(s.streams) * double(n) * sizeof(float)};
    measure(state, 1, work, limits, [&] { s.run(table, y.data(), a.data(), b.data(), n); });
  });
}

}  // namespace

void add_streams(const KernelTable<float>& table, const KernelTable<float>& baseline, const Limits& limits) {
  for (const Stream& s : streams)
    for (const std::int64_t n : {4096, 1 << 20}) add_stream(table, baseline, limits, s, n);
}

}  // namespace safer::bench
