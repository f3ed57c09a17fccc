#pragma once

#include <limits>

#include "engine/kernels/generic/elementwise.h"

// What follows a product or a convolution before its result leaves the cache.
namespace safer::kernels {
namespace {

/// An activation that is min(high, max(low, x)); `exact` if the epilogue's is one, or none.
struct Clamp {
  float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
  bool exact = true;
};
inline Clamp clamp_of(const Epilogue<T>& epilogue) {
  if (!epilogue.activates) return {};
  if (epilogue.activation == Unary::relu) return {.low = 0};
  if (epilogue.activation == Unary::relu6) return {.low = 0, .high = 6};
  return {.exact = false};
}

template <int... f>
constexpr auto activations(std::integer_sequence<int, f...>) {
  struct {
    UnaryKernel<T>* by_name[unary_count];
  } table{{&unary<Unary(f)>...}};
  return table;
}

/// y = activation(y) for n results in a row, where it is no clamp.
inline void activate(T* y, std::int64_t n, const Epilogue<T>& epilogue) {
  static constexpr auto table = activations(std::make_integer_sequence<int, unary_count>{});
  table.by_name[int(epilogue.activation)](y, y, n, epilogue.alpha);
}

}  // namespace
}  // namespace safer::kernels
