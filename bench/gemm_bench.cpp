#include <fmt/format.h>

#include "bench/kernels_bench.h"
#include "bench/peers.h"
#include "engine/parallel.h"
#include "engine/reference/reference.h"

// Products, other libraries' beside them.
namespace safer::bench {
namespace {

using kernels::Gemm;

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
    check_equal(name, c, want, 1e-6 * double(gemm.k));
  }

  Floats a, b, c, packed;
  Gemm<float> gemm;
};

/// Each operand moves once.
Work work(Product p) {
  const double m = double(p.m), n = double(p.n), k = double(p.k);
  return {.operations = 2 * m * n * k, .bytes = sizeof(float) * (m * k + k * n + m * n)};
}

void add_product(const KernelTable<float>& table, Product p, Form form, int threads, const Limits& limits) {
  const std::string name = fmt::format("gemm/{}/{}x{}x{}/{}/threads:{}", table.name, p.m, p.n, p.k, form_names[int(form)], threads);
  add(name, threads, [=, &table](benchmark::State& state) {
    Operands x(&table, p, form);
    set_threads(threads);
    table.gemm(x.gemm);
    x.check(name);
    measure(state, threads, work(p), limits, [&] { table.gemm(x.gemm); });
  });
}

void add_peer_product(const PeerProduct& peer, Product p, int threads, const Limits& limits) {
  const std::string name = fmt::format("gemm/{}/{}x{}x{}/AB/threads:{}", peer.name, p.m, p.n, p.k, threads);
  add(name, threads, [=](benchmark::State& state) {
    Operands x(nullptr, p, Form::plain);
    const auto run = [&] { peer.run(x.c.data(), x.a.data(), x.b.data(), p.m, p.n, p.k, threads); };
    run();
    x.check(name);
    measure(state, threads, work(p), limits, run);
  });
}

/// What two threads are measured on as well.
constexpr Product shared[] = {{512, 512, 512}, {1024, 1024, 1024}, {1000, 64, 64}};

}  // namespace

void add_products(const KernelTable<float>& table, const Limits& limits) {
  for (const Product& p : products)
    for (const Form form : {Form::plain, Form::transposed_b, Form::packed_b, Form::transposed_a})
      add_product(table, p, form, 1, limits);
  for (const Product& p : shared) add_product(table, p, Form::plain, 2, limits);
}

void add_peer_products(const Limits& limits) {
  for (const PeerProduct& peer : peer_products()) {
    for (const Product& p : products) add_peer_product(peer, p, 1, limits);
    if (peer.most_threads > 1)
      for (const Product& p : shared) add_peer_product(peer, p, 2, limits);
  }
}

}  // namespace safer::bench
