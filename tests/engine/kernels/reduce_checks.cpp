#include <doctest/doctest.h>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

/// Roundings of the longest chain of additions of n floats: kernels sum blocks of at most 8192, four floats at a time at least, and
/// rows in blocks of 128.
double chain(std::int64_t n) { return 8192 / 16 + double(n) / 128 + 16; }

std::vector<Axes> shapes() {
  std::vector<Axes> all;
  for (const std::int64_t outer : {0, 1, 2, 17})
    for (const std::int64_t n : {1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 65})
      for (const std::int64_t inner : {0, 1, 2, 3, 7, 8, 16, 19, 33, 64, 131}) all.push_back({outer, n, inner});
  all.insert(all.end(), {{1, 1000, 1}, {2, 20000, 1}, {1, 3000, 70}, {100, 40, 50}, {3000, 10, 1}});
  return all;
}

std::int64_t elements(Axes axes) { return axes.outer * axes.n * axes.inner; }

void check_sums(const KernelTable<float>& table, Axes axes, bool exact) {
  const std::int64_t results = axes.outer * axes.inner;
  const Floats x = exact ? random_integers(elements(axes), 20) : random_floats(elements(axes), 21);
  Floats y = random_integers(results, 22);
  Doubles want = widened(y), magnitudes(results), wide = widened(x);
  reference_table.reduce_sum(want.data(), wide.data(), axes, 0.5, true);
  table.reduce_sum(y.data(), x.data(), axes, 0.5f, true);
  for (double& v : wide) v = std::abs(v);
  reference_table.reduce_sum(magnitudes.data(), wide.data(), axes, 1, false);
  for (std::int64_t i = 0; i < results; ++i)
    check_close(y[i], want[i], exact ? 0 : eps / 2 * (chain(axes.n) * magnitudes[i] + 8), "reduce_sum", i);
  CHECK(y.intact());
}

}  // namespace

void check_sum(const KernelTable<float>& table) {
  for (const std::int64_t n : sizes()) {
    const Floats whole = random_integers(n, 23), x = random_floats(n, 24, 10);
    CHECK(table.sum(whole.data(), n) == reference_table.sum(widened(whole).data(), n));
    check_close(table.sum(x.data(), n), reference_table.sum(widened(x).data(), n), eps / 2 * chain(0) * 10 * double(n), "sum", n);
  }
  const Floats with_nan(std::vector<float>{1, 2, nan, 3, 4, 5, 6, 7, 8, 9});
  CHECK(std::isnan(table.sum(with_nan.data(), with_nan.size())));
}

void check_dot(const KernelTable<float>& table) {
  for (const std::int64_t n : sizes()) {
    const Floats whole = random_integers(n, 25), other = random_integers(n, 26), x = random_floats(n, 27), y = random_floats(n, 28);
    CHECK(table.dot(whole.data(), other.data(), n) == reference_table.dot(widened(whole).data(), widened(other).data(), n));
    const double want = reference_table.dot(widened(x).data(), widened(y).data(), n);
    check_close(table.dot(x.data(), y.data(), n), want, eps / 2 * (chain(0) + 1) * double(n), "dot", n);
  }
}

void check_masked_dots(const KernelTable<float>& table) {
  for (const std::int64_t n : sizes()) {
    const Floats mask = random_integers(n, 29), w = random_floats(n, 30), x = random_floats(n, 31);
    Floats product(n);
    for (std::int64_t i = 0; i < n; ++i) product[i] = mask[i] * w[i];
    float y[2] = {nan, nan};
    table.masked_dots(y, mask.data(), w.data(), x.data(), n);
    CHECK(y[0] == table.dot(mask.data(), x.data(), n));
    CHECK(y[1] == table.dot(product.data(), x.data(), n));
    double want[2];
    reference_table.masked_dots(want, widened(mask).data(), widened(w).data(), widened(x).data(), n);
    constexpr double largest = 4;  // random_integers'
    for (int i = 0; i < 2; ++i) check_close(y[i], want[i], eps / 2 * (chain(0) + 2) * largest * double(n), "masked_dots", n);
  }
}

void check_reduce_sum(const KernelTable<float>& table) {
  for (const Axes axes : shapes()) {
    check_sums(table, axes, true);
    check_sums(table, axes, false);
  }
  const float x[] = {1, 2, 3, 4, 5, 6};
  float y[2] = {nan, nan};  // what stands there is replaced
  table.reduce_sum(y, x, {1, 3, 2}, 1, false);
  CHECK(y[0] == 9);
  CHECK(y[1] == 12);
}

void check_reduce_max(const KernelTable<float>& table) {
  for (const Axes axes : shapes())
    for (const bool with_nan : {false, true}) {
      Floats x = random_floats(elements(axes), 29);
      if (with_nan)
        for (std::int64_t i = 0; i < x.size(); i += 37) x[i] = nan;
      for (std::int64_t i = 5; i < x.size(); i += 41) x[i] = -infinity;
      Floats y(axes.outer * axes.inner);
      Doubles want(y.size());
      reference_table.reduce_max(want.data(), widened(x).data(), axes);
      table.reduce_max(y.data(), x.data(), axes);
      for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], 0, "reduce_max", i);
      CHECK(y.intact());
    }
}

}  // namespace safer::kernels
