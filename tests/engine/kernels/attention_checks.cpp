#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

Attention sizes(std::int64_t sequences, std::int64_t heads, std::int64_t queries, std::int64_t keys, std::int64_t d, std::int64_t e,
                bool causal = false) {
  return {sequences, heads, queries, keys, d, e, 1 / std::sqrt(double(d)), causal};
}

/// Around vectors, and around the tiles of 128 queries and 256 keys.
std::vector<Attention> cases() {
  std::vector<Attention> all = {sizes(1, 1, 1, 1, 1, 1),           sizes(2, 3, 2, 2, 8, 8),       sizes(1, 2, 5, 9, 3, 7),
                                sizes(0, 2, 5, 9, 3, 7),           sizes(1, 2, 0, 3, 2, 2),       sizes(1, 2, 3, 0, 2, 2),
                                sizes(1, 1, 128, 256, 4, 4),       sizes(1, 1, 129, 257, 5, 3),   sizes(1, 2, 130, 600, 16, 9),
                                sizes(1, 1, 300, 300, 8, 8, true), sizes(2, 2, 7, 7, 5, 5, true), sizes(1, 3, 197, 197, 64, 64)};
  for (std::int64_t keys = 1; keys <= 33; ++keys) all.push_back(sizes(1, 2, 3, keys, 2, 3));
  all.push_back(sizes(1, 2, 20, 30, 4, 4));
  all.back().scale = -2;
  return all;
}

std::int64_t q_size(const Attention& a) { return a.sequences * a.queries * a.heads * a.d; }
std::int64_t k_size(const Attention& a) { return a.sequences * a.keys * a.heads * a.d; }
std::int64_t v_size(const Attention& a) { return a.sequences * a.keys * a.heads * a.e; }
std::int64_t y_size(const Attention& a) { return a.sequences * a.queries * a.heads * a.e; }

std::string describe(const Attention& a, std::string_view what) {
  return fmt::format("{}: {} x {} heads, {} queries, {} keys, widths {} and {}{}", what, a.sequences, a.heads, a.queries, a.keys,
                     a.d, a.e, a.causal ? ", causal" : "");
}

/// Relative error of a probability: that of a score, which is a sum of d products, at most |scale| d in all, and of a row's sum.
double error(const Attention& a) {
  return eps * ((double(a.d) / 16 + 4) * std::abs(a.scale) * double(a.d) + double(a.keys) / 16 + 8);
}

struct Values {
  explicit Values(const Attention& a)
      : q(random_floats(q_size(a), 100)),
        k(random_floats(k_size(a), 101)),
        v(random_floats(v_size(a), 102)),
        dy(random_floats(y_size(a), 103)) {}
  Floats q, k, v, dy;
};

void check_output(const KernelTable<float>& table, const Attention& a, const Values& x, double tolerance, std::string_view what) {
  Floats y(y_size(a), 7);
  Doubles want(y.size());
  reference_table.attention(a, want.data(), widened(x.q).data(), widened(x.k).data(), widened(x.v).data());
  table.attention(a, y.data(), x.q.data(), x.k.data(), x.v.data());
  const std::string described = describe(a, what);
  for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], tolerance, described, i);
  CHECK(y.intact());
}

/// Scores that are none, or that make those before them negligible, tile after tile.
void check_odd_scores(const KernelTable<float>& table) {
  const Attention a = sizes(1, 1, 130, 600, 2, 2);
  const auto with_keys = [&](auto key) {
    Values x(a);
    for (std::int64_t i = 0; i < a.queries; ++i) x.q[2 * i] = 1, x.q[2 * i + 1] = 0;
    for (std::int64_t j = 0; j < a.keys; ++j) x.k[2 * j] = key(j), x.k[2 * j + 1] = 1;
    return x;
  };
  const double tolerance = 600 * eps;  // scores of up to 300 are off by up to 300 / 2 eps
  check_output(table, a, with_keys([](std::int64_t j) { return 0.5f * float(j); }), tolerance, "rising scores");
  check_output(table, a, with_keys([](std::int64_t j) { return -0.5f * float(j); }), tolerance, "falling scores");
  const auto absent = [](std::int64_t until) {
    return [until](std::int64_t j) { return j < until ? -infinity : 0.01f * float(j % 7); };
  };
  check_output(table, a, with_keys(absent(300)), tolerance, "no scores in the first tile");
  check_output(table, a, with_keys(absent(600)), tolerance, "no scores at all");
  check_output(table, a, with_keys([](std::int64_t j) { return j == 400 ? infinity : 1; }), tolerance, "an infinite score");
  check_output(table, a, with_keys([](std::int64_t j) { return j == 20 ? nan : 1; }), tolerance, "a key that is no number");
  Values x(a);
  x.q[2 * 77] = nan;
  check_output(table, a, x, error(a) * 2, "a query that is no number");
}

}  // namespace

void check_attention(const KernelTable<float>& table) {
  for (const Attention& a : cases()) check_output(table, a, Values(a), 2 * error(a), "attention");
  check_odd_scores(table);
}

namespace {

/// The gradients that are asked for, into arrays that hold something already.
template <class T, class Values>
std::vector<Guarded<T>> gradients(const KernelTable<T>& table, const Attention& a, const Values& q, const Values& k,
                                  const Values& v, const Values& dy, const Values& y, int wanted, bool accumulate) {
  std::vector<Guarded<T>> to{Guarded<T>(q.size(), T(0.25)), Guarded<T>(k.size(), T(-0.5)), Guarded<T>(v.size(), T(0.75))};
  const bool of_scores = wanted & 3;
  table.attention_gradient(a, {.dy = dy.data(),
                               .y = of_scores ? y.data() : nullptr,
                               .q = q.data(),
                               .k = k.data(),
                               .v = of_scores ? v.data() : nullptr,
                               .dq = wanted & 1 ? to[0].data() : nullptr,
                               .dk = wanted & 2 ? to[1].data() : nullptr,
                               .dv = wanted & 4 ? to[2].data() : nullptr,
                               .accumulate_q = accumulate,
                               .accumulate_k = accumulate,
                               .accumulate_v = accumulate});
  return to;
}

void check_gradients(const KernelTable<float>& table, const Attention& a, int wanted, bool accumulate) {
  const Values x(a);
  Floats y(y_size(a));
  table.attention(a, y.data(), x.q.data(), x.k.data(), x.v.data());
  const auto got = gradients(table, a, x.q, x.k, x.v, x.dy, y, wanted, accumulate);
  const auto want =
      gradients(reference_table, a, widened(x.q), widened(x.k), widened(x.v), widened(x.dy), widened(y), wanted, accumulate);
  // A key's probabilities add up to queries / keys; those of one query are at most exp(2 |scale| d) times their mean apart.
  const double likely =
      std::min(1.0, std::exp(2 * std::abs(a.scale) * std::sqrt(double(a.d))) / double(std::max<std::int64_t>(1, a.keys)));
  const double of_key = double(a.queries) * likely, of_score = 2 * std::abs(a.scale) * double(a.e);
  const double relative = error(a) + eps * (double(a.e + a.queries) / 16 + 8);
  const double magnitude[] = {of_score, of_key * of_score, of_key};
  const char* names[] = {"dq", "dk", "dv"};
  for (std::size_t g = 0; g < 3; ++g) {
    const std::string what = describe(a, names[g]);
    for (std::int64_t i = 0; i < got[g].size(); ++i) check_close(got[g][i], want[g][i], relative * (magnitude[g] + 1), what, i);
    CHECK(got[g].intact());
  }
}

}  // namespace

void check_attention_gradient(const KernelTable<float>& table) {
  for (const Attention& a : cases())
    for (const int wanted : {7, 1, 2, 4})
      for (const bool accumulate : {false, true}) check_gradients(table, a, wanted, accumulate);
}

}  // namespace safer::kernels
