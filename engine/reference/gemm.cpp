#include <Eigen/Core>

#include <algorithm>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

// Eigen splits a product over threads, and then sums in another order, unless the result's type bounds its rows by 32.
constexpr int rows_at_once = 32;
using Strides = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Block = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor, rows_at_once, Eigen::Dynamic>;

void product(const Gemm<T>& g, std::int64_t first, std::int64_t rows) {
  const Eigen::Map<const Matrix, 0, Strides> a(g.a + first * g.a_row, rows, g.k, {g.a_row, g.a_col});
  const Eigen::Map<const Matrix, 0, Strides> b(g.b, g.k, g.n, {g.b_row, g.b_col});
  Eigen::Map<Block, 0, Eigen::OuterStride<>> c(g.c + first * g.c_row, rows, g.n, Eigen::OuterStride<>(g.c_row));
  c.noalias() += a * b;
}

}  // namespace

void gemm(const Gemm<T>& g) {
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) put(g.c[i * g.c_row + j], g.epilogue.bias ? g.epilogue.bias[j] : 0, g.accumulate);
  if (g.n > 0 && g.k > 0)
    for (std::int64_t i = 0; i < g.m; i += rows_at_once) product(g, i, std::min<std::int64_t>(rows_at_once, g.m - i));
  for (std::int64_t i = 0; i < g.m; ++i)
    finish(g.c + i * g.c_row, g.epilogue.residual ? g.epilogue.residual + i * g.c_row : nullptr, g.n, g.epilogue);
}

std::int64_t packed_b_size(std::int64_t, std::int64_t) { return 0; }

void pack_b(T*, const Gemm<T>&) {}

}  // namespace safer::kernels::reference
