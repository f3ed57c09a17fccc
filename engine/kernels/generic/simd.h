#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/kernels/kernel_table.h"

namespace safer::kernels {
namespace {

using T = float;

constexpr std::int64_t lanes = Batch::size;

inline Batch load(const float* from) { return Batch::load_unaligned(from); }
inline void store(float* to, Batch v) { v.store_unaligned(to); }

/// f(0), f(1), ..., f(count - 1) with constant arguments: arrays that they index stay in registers.
template <class F, int... i>
[[gnu::always_inline]] constexpr void unrolled(std::integer_sequence<int, i...>, const F& f) {
  (f(std::integral_constant<int, i>{}), ...);
}
template <std::size_t count, class F>
[[gnu::always_inline]] constexpr void unroll(const F& f) {
  unrolled(std::make_integer_sequence<int, int(count)>{}, f);
}

}  // namespace
}  // namespace safer::kernels
