#include <fmt/format.h>

#include "bench/kernels_bench.h"
#include "engine/parallel.h"
#include "engine/reference/reference.h"

// Attention and its gradient: products bound them, and exponentials.
namespace safer::bench {
namespace {

using kernels::Attention;
using kernels::AttentionGradient;

/// Layers of ViT-Ti/16 and ViT-B/16 at 224 x 224, of a moons transformer, and a sequence of many tiles.
constexpr Attention layers[] = {
    {.sequences = 8, .heads = 3, .queries = 197, .keys = 197, .d = 64, .e = 64, .scale = 0.125},
    {.sequences = 8, .heads = 12, .queries = 197, .keys = 197, .d = 64, .e = 64, .scale = 0.125},
    {.sequences = 32, .heads = 4, .queries = 2, .keys = 2, .d = 16, .e = 16, .scale = 0.25},
    {.sequences = 1, .heads = 2, .queries = 2048, .keys = 2048, .d = 64, .e = 64, .scale = 0.125},
    {.sequences = 1, .heads = 2, .queries = 2048, .keys = 2048, .d = 64, .e = 64, .scale = 0.125, .causal = true},
};

/// All arrays of a layer, q, k and v being as wide as one another.
template <class T>
struct Arrays {
  explicit Arrays(const Attention& a) {
    const std::int64_t row = a.heads * a.d, of_queries = a.sequences * a.queries * row, of_keys = a.sequences * a.keys * row;
    std::uint64_t key = 0;
    for (std::vector<T, LineAllocator<T>>* x : {&q, &dy, &k, &v}) {
      const Floats values = random_floats(x == &q || x == &dy ? of_queries : of_keys, ++key);
      x->assign(values.begin(), values.end());
    }
    y.resize(q.size()), dq.resize(q.size()), dk.resize(k.size()), dv.resize(v.size());
  }
  void forward(const kernels::KernelTable<T>& table, const Attention& a) {
    table.attention(a, y.data(), q.data(), k.data(), v.data());
  }
  void gradient(const kernels::KernelTable<T>& table, const Attention& a) {
    table.attention_gradient(a, AttentionGradient<T>{.dy = dy.data(),
                                                     .y = y.data(),
                                                     .q = q.data(),
                                                     .k = k.data(),
                                                     .v = v.data(),
                                                     .dq = dq.data(),
                                                     .dk = dk.data(),
                                                     .dv = dv.data()});
  }
  std::vector<T, LineAllocator<T>> q, k, v, y, dy, dq, dk, dv;
};

/// The products alone, 2 forward and 5 backward (the scores once more), of the scores that are seen.
double operations(const Attention& a, int products) {
  const double seen = double(a.queries) * double(a.keys) * (a.causal ? 0.5 : 1.0);
  return 2.0 * products * seen * double(a.d) * double(a.heads * a.sequences);
}

double bytes(const Attention& a, int arrays) {
  return double(arrays) * double(a.sequences * a.heads * a.d) * double(a.queries + a.keys) / 2 * sizeof(float);
}

void add_layer(const KernelTable<float>& table, const Limits& limits, const Attention& a, int threads) {
  const std::string shape = fmt::format("{}/{}x{}x{}x{}{}/threads:{}", table.name, a.sequences, a.heads, a.queries, a.d,
                                        a.causal ? "/causal" : "", threads);
  add("attention/" + shape, threads, [=, &table](benchmark::State& state) {
    Arrays<float> x(a);
    Arrays<double> want(a);
    set_threads(threads);
    x.forward(table, a);
    want.forward(kernels::reference_table, a);
    check_equal("attention/" + shape, x.y, want.y, 1e-5);
    measure(state, threads, {operations(a, 2), bytes(a, 4)}, limits, [&] { x.forward(table, a); });
  });
  add("attention_gradient/" + shape, threads, [=, &table](benchmark::State& state) {
    Arrays<float> x(a);
    Arrays<double> want(a);
    set_threads(threads);
    x.forward(table, a);
    x.gradient(table, a);
    want.gradient(kernels::reference_table, a);
    check_equal("dq of attention/" + shape, x.dq, want.dq, 1e-5);
    check_equal("dk of attention/" + shape, x.dk, want.dk, 1e-5);
    check_equal("dv of attention/" + shape, x.dv, want.dv, 1e-5);
    measure(state, threads, {operations(a, 5), bytes(a, 8)}, limits, [&] { x.gradient(table, a); });
  });
}

}  // namespace

void add_attention(const KernelTable<float>& table, const Limits& limits) {
  for (const Attention& a : layers)
    for (const int threads : {1, 2}) add_layer(table, limits, a, threads);
}

}  // namespace safer::bench
