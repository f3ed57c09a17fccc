#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

/// The axis with as many outputs as fit, and `more` partial ones.
WindowAxis axis(std::int64_t in, std::int64_t taps, std::int64_t stride = 1, std::int64_t before = 0, std::int64_t after = 0,
                std::int64_t dilation = 1, std::int64_t more = 0) {
  return {in, (in + before + after - dilation * (taps - 1) - 1) / stride + 1 + more, taps, stride, dilation, before};
}

std::vector<Pool> cases() {
  std::vector<Pool> all = {
      {3, axis(8, 2, 2), axis(10, 2, 2)},
      {2, axis(11, 3, 2, 1, 1), axis(37, 3, 2, 1, 1), true, 1, 1},
      {2, axis(9, 3, 1, 1, 1), axis(40, 3, 1, 1, 1), false, 1, 1},
      {2, axis(6, 3, 2, 0, 0, 1, 1), axis(8, 3, 2, 0, 0, 1, 1), true, 0, 0},
      {2, axis(7, 3, 2, 1, 2), axis(6, 2, 3, 0, 1), true, 2, 1},
      {1, axis(13, 3, 2, 2, 1, 2), axis(33, 2, 1, 1, 2, 3), true, 1, 2},
      {4, axis(5, 5), axis(7, 7)},
      {1, axis(1, 1), axis(1, 1)},
      {2, axis(2, 5, 1, 3, 3), axis(3, 5, 1, 4, 4), false, 3, 4},
      {2, axis(9, 2, 4), axis(10, 1, 3)},
      {0, axis(4, 2), axis(4, 2)},
  };
  for (std::int64_t columns = 2; columns <= 2 * 32 + 1; ++columns)
    for (const std::int64_t stride : {1, 2})
      all.push_back({2, axis(4, 3, 1, 1, 1), axis(columns, 3, stride, 1, 1), stride == 1, 1, 1});
  return all;
}

std::int64_t in_size(const Pool& p) { return p.planes * p.rows.in * p.columns.in; }
std::int64_t out_size(const Pool& p) { return p.planes * p.rows.out * p.columns.out; }

std::string describe(const Pool& p, std::string_view what) {
  return fmt::format("{}: {}x{} by {}x{}, stride {}x{}", what, p.rows.in, p.columns.in, p.rows.taps, p.columns.taps, p.rows.stride,
                     p.columns.stride);
}

/// Small whole numbers, so that equal ones meet in a window, with a few NaN and infinities where wanted.
Floats pixels(const Pool& pool, bool odd) {
  Floats x = random_integers(in_size(pool), 60);
  const float values[] = {nan, -infinity, infinity, nan, nan};
  for (std::int64_t i = 0, k = 5; odd && k < x.size(); ++i, k += 31) x[k] = values[i % 5];
  return x;
}

}  // namespace

void check_max_pool(const KernelTable<float>& table) {
  for (const Pool& pool : cases())
    for (const bool odd : {false, true}) {
      const Floats x = pixels(pool, odd);
      Floats y(out_size(pool), -77);
      Doubles want(y.size());
      reference_table.max_pool(pool, want.data(), widened(x).data());
      table.max_pool(pool, y.data(), x.data());
      const std::string what = describe(pool, "max_pool");
      for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], 0, what, i);
      CHECK(y.intact());
    }
}

void check_max_pool_gradient(const KernelTable<float>& table) {
  for (const Pool& pool : cases())
    for (const bool odd : {false, true})
      for (const bool accumulate : {false, true}) {
        const Floats x = pixels(pool, odd), dy = random_integers(out_size(pool), 61);
        Floats dx = random_integers(x.size(), 62);
        Doubles want = widened(dx);
        reference_table.max_pool_gradient(pool, want.data(), widened(dy).data(), widened(x).data(), accumulate);
        table.max_pool_gradient(pool, dx.data(), dy.data(), x.data(), accumulate);
        const std::string what = describe(pool, "max_pool_gradient");
        for (std::int64_t i = 0; i < dx.size(); ++i) check_close(dx[i], want[i], 0, what, i);
        CHECK(dx.intact());
      }
}

void check_average_pool(const KernelTable<float>& table) {
  for (const Pool& pool : cases()) {
    const Floats x = random_integers(in_size(pool), 63);
    Floats y(out_size(pool), nan);
    Doubles want(y.size());
    reference_table.average_pool(pool, want.data(), widened(x).data());
    table.average_pool(pool, y.data(), x.data());
    // Sums of whole numbers are exact; the quotient, at most 4, is rounded once.
    const std::string what = describe(pool, "average_pool");
    for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], 2 * eps, what, i);
    CHECK(y.intact());
  }
}

void check_average_pool_gradient(const KernelTable<float>& table) {
  for (const Pool& pool : cases())
    for (const bool accumulate : {false, true}) {
      const Floats dy = random_floats(out_size(pool), 64);
      Floats dx = random_floats(in_size(pool), 65);
      Doubles want = widened(dx);
      reference_table.average_pool_gradient(pool, want.data(), widened(dy).data(), accumulate);
      table.average_pool_gradient(pool, dx.data(), dy.data(), accumulate);
      // An element is in at most `taps` windows and gets below 1 in all of them together, rounded at each sum.
      const double terms = double(pool.rows.taps * pool.columns.taps);
      for (std::int64_t i = 0; i < dx.size(); ++i)
        check_close(dx[i], want[i], eps * (terms + 2), describe(pool, "average_pool_gradient"), i);
      CHECK(dx.intact());
    }
}

}  // namespace safer::kernels
