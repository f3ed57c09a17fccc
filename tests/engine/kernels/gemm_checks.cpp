#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

/// How a matrix lies in memory: rows dense, columns dense, or neither; `slack` more than needed between them.
enum class Layout { rows, columns, spread };

struct Matrix {
  Matrix(std::int64_t rows, std::int64_t cols, Layout layout, std::int64_t slack, const Floats& values)
      : row(layout == Layout::columns ? 1 : (layout == Layout::spread ? 3 : 1) * cols + slack),
        col(layout == Layout::rows      ? 1
            : layout == Layout::columns ? rows + slack
                                        : 3),
        memory(rows > 0 && cols > 0 ? (rows - 1) * row + (cols - 1) * col + 1 : 0,
               nan) {  // gaps hold NaN, so that no one reads them
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < cols; ++j) memory[i * row + j * col] = values[i * cols + j];
  }
  std::int64_t row, col;
  Floats memory;
};

struct Case {
  std::int64_t m, n, k;
  Layout a = Layout::rows, b = Layout::rows;
  bool bias = false, accumulate = false, packed = false;
  std::int64_t slack = 0;
};

std::string describe(const Case& c) {
  const char* const layouts[] = {"rows", "columns", "spread"};
  return fmt::format("gemm {}x{}x{} a {} b {} bias {} accumulate {} packed {}", c.m, c.n, c.k, layouts[int(c.a)], layouts[int(c.b)],
                     c.bias, c.accumulate, c.packed);
}

/// The product of whole numbers is exact in float and double, so that every element must be equal; of others, each of the k + 2
/// roundings costs at most eps / 2 of the sum of magnitudes. `product`, where it is known already, is A B by the reference.
void check_case(const KernelTable<float>& table, const Case& c, bool exact, const Doubles* product = nullptr) {
  const auto values = [&](std::int64_t n, std::uint64_t key) { return exact ? random_integers(n, key) : random_floats(n, key); };
  const Matrix a(c.m, c.k, c.a, c.slack, values(c.m * c.k, 50)), b(c.k, c.n, c.b, c.slack, values(c.k * c.n, 51));
  const Floats bias = values(c.n, 52);
  const std::int64_t c_row = c.n + c.slack;
  Floats result(c.m * c_row, 0.5f);
  const Doubles wide_a = widened(a.memory), wide_b = widened(b.memory), wide_bias = widened(bias);
  Doubles want = widened(result);
  Gemm<double> wide{c.m, c.n, c.k, wide_a.data(), a.row, a.col, wide_b.data(), b.row, b.col, want.data(), c_row};
  Gemm<float> gemm{c.m, c.n, c.k, a.memory.data(), a.row, a.col, b.memory.data(), b.row, b.col, result.data(), c_row};
  if (c.bias) wide.epilogue.bias = wide_bias.data(), gemm.epilogue.bias = bias.data();
  wide.accumulate = gemm.accumulate = c.accumulate;
  std::optional<Floats> packed;
  if (c.packed) {
    packed.emplace(table.packed_b_size(c.k, c.n), nan);
    table.pack_b(packed->data(), gemm);
    CHECK(packed->intact());
    gemm.packed_b = packed->data();
    gemm.b = nullptr;
  }
  if (!product) reference_table.gemm(wide);
  table.gemm(gemm);
  const std::string what = describe(c);
  const auto wanted = [&](std::int64_t row, std::int64_t column) {
    if (!product) return want[row * c_row + column];
    return (*product)[row * c.n + column] + (c.bias ? wide_bias[column] : 0) + (c.accumulate ? 0.5 : 0);
  };
  for (std::int64_t i = 0; i < result.size(); ++i) {
    const bool gap = i % c_row >= c.n;
    check_close(result[i], gap ? 0.5 : wanted(i / c_row, i % c_row), exact || gap ? 0 : eps / 2 * double(c.k + 3) * double(c.k + 2),
                what, i);
  }
  CHECK(result.intact());
}

/// Bias, residual and activation behind one product, in every combination.
void check_epilogues(const KernelTable<float>& table, std::int64_t m, std::int64_t n, std::int64_t k) {
  const Floats a = random_integers(m * k, 53), b = random_integers(k * n, 54), bias = random_integers(n, 55);
  const Floats residual = random_integers(m * n, 56);
  const Doubles wide_a = widened(a), wide_b = widened(b), wide_bias = widened(bias), wide_residual = widened(residual);
  for (int parts = 0; parts < 4; ++parts)
    for (const int activation : {-1, int(Unary::relu), int(Unary::relu6), int(Unary::leaky_relu), int(Unary::sigmoid)}) {
      Floats c(m * n, nan);
      Doubles want(m * n);
      Gemm<float> gemm{m, n, k, a.data(), k, 1, b.data(), n, 1, c.data(), n};
      Gemm<double> wide{m, n, k, wide_a.data(), k, 1, wide_b.data(), n, 1, want.data(), n};
      if (parts & 1) gemm.epilogue.bias = bias.data(), wide.epilogue.bias = wide_bias.data();
      if (parts & 2) gemm.epilogue.residual = residual.data(), wide.epilogue.residual = wide_residual.data();
      if (activation >= 0) {
        gemm.epilogue.activates = wide.epilogue.activates = true;
        gemm.epilogue.activation = wide.epilogue.activation = Unary(activation);
        gemm.epilogue.alpha = 0.25f, wide.epilogue.alpha = 0.25;
      }
      reference_table.gemm(wide);
      table.gemm(gemm);
      const bool exact = activation != int(Unary::sigmoid);
      const std::string what = fmt::format("gemm {}x{}x{} epilogue {} {}", m, n, k, parts, activation);
      for (std::int64_t i = 0; i < c.size(); ++i) check_close(c[i], want[i], exact ? 0 : 4 * eps, what, i);
      CHECK(c.intact());
    }
}

/// Sizes around those of vectors, register tiles and panels of every instruction set.
constexpr std::int64_t small[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  11, 12, 13, 14, 15,
                                  16, 17, 23, 24, 25, 28, 29, 31, 32, 33, 47, 48, 49, 64, 65};

/// Beyond the blocks into which large products are cut, and large enough for every kind of copy.
constexpr Case large[] = {
    {97, 70, 520}, {130, 259, 257}, {64, 600, 64},  {200, 1100, 33}, {100, 1, 700},   {150, 300, 512},
    {1, 300, 300}, {2400, 40, 33},  {65, 513, 300}, {3, 2100, 70},   {192, 192, 256},
};

/// The layouts change nothing in the product of whole numbers: the reference multiplies once.
void check_large(const KernelTable<float>& table, Case c) {
  const Doubles a = widened(random_integers(c.m * c.k, 50)), b = widened(random_integers(c.k * c.n, 51));
  Doubles product(c.m * c.n);
  reference_table.gemm({c.m, c.n, c.k, a.data(), c.k, 1, b.data(), c.n, 1, product.data(), c.n});
  for (const Layout of_a : {Layout::rows, Layout::columns, Layout::spread})
    for (const Layout of_b : {Layout::rows, Layout::columns, Layout::spread})
      for (const bool packed : {false, true}) {
        c.a = of_a, c.b = of_b, c.packed = packed;
        c.bias = c.accumulate = (of_a == of_b) != packed;
        check_case(table, c, true, &product);
      }
}

}  // namespace

void check_gemm(const KernelTable<float>& table) {
  Random random(60);
  const auto below = [&](std::int64_t n) { return std::int64_t(random.below(std::uint64_t(n))); };
  for (const std::int64_t m : small)
    for (const std::int64_t n : small)
      for (int draw = 0; draw < 3; ++draw) {
        const std::int64_t k = small[below(std::size(small))];
        const Case c{m, n, k, Layout(below(3)), Layout(below(3)), below(2) == 1, below(2) == 1, below(4) == 0, below(2) * 5};
        check_case(table, c, draw > 0);
      }
  for (const Case& c : large) check_large(table, c);
  check_case(table, {90, 100, 1000}, false);
  check_case(table, {90, 100, 1000, Layout::columns, Layout::columns}, false);
  check_epilogues(table, 5, 39, 7);
  check_epilogues(table, 70, 150, 300);
  check_epilogues(table, 3, 4, 0);
  check_case(table, {40, 50, 0, Layout::rows, Layout::rows, true, true}, true);
  check_case(table, {40, 50, 0, Layout::rows, Layout::rows, true, false}, true);
}

// What pack_b writes is checked through gemm; here its size and that every element of it is set.
void check_packed_b_size(const KernelTable<float>& table) {
  for (const std::int64_t k : {0, 1, 5, 300})
    for (const std::int64_t n : {0, 1, 16, 33}) {
      const std::int64_t size = table.packed_b_size(k, n);
      CHECK(size >= k * n);
      CHECK(size <= k * (n + 64));
    }
}

void check_pack_b(const KernelTable<float>& table) {
  for (const std::int64_t n : {1, 7, 16, 33, 100}) {
    const Floats b = random_integers(9 * n, 61);
    Floats packed(table.packed_b_size(9, n), nan);
    Gemm<float> gemm{0, n, 9};
    gemm.b = b.data(), gemm.b_row = n;
    table.pack_b(packed.data(), gemm);
    CHECK(packed.intact());
    std::vector<float> got(packed.begin(), packed.end()), want(b.data(), b.data() + b.size());
    want.resize(got.size());  // and zeros
    std::sort(got.begin(), got.end());
    std::sort(want.begin(), want.end());
    CHECK(got == want);
  }
}

}  // namespace safer::kernels
