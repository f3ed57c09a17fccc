#pragma once

#include "engine/kernels/generic/elementwise.h"

// What follows a product or a convolution before its result leaves the cache.
namespace safer::kernels {
namespace {

template <int... f>
constexpr auto activations(std::integer_sequence<int, f...>) {
  struct {
    UnaryKernel<T>* by_name[unary_count];
  } table{{&unary<Unary(f)>...}};
  return table;
}

/// y = activation(y + residual) for n results in a row; residual: nullptr where there is none.
inline void finish(T* y, const T* residual, std::int64_t n, const Epilogue<T>& epilogue) {
  static constexpr auto table = activations(std::make_integer_sequence<int, unary_count>{});
  if (residual) binary<Binary::add>(y, y, 1, residual, 1, n, 1, false);
  if (epilogue.activates) table.by_name[int(epilogue.activation)](y, y, n, epilogue.alpha);
}

}  // namespace
}  // namespace safer::kernels
