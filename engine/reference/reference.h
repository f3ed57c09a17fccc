#pragma once

#include "engine/kernels/kernel_table.h"

/// Every kernel in plain double precision: the obviously right code that fast kernels and gradients are checked against, and that a
/// whole tape can be run on. What each one computes stands in engine/kernels/kernel_table.h.
namespace safer::kernels {

extern const KernelTable<double> reference_table;

namespace reference {

using T = double;
#define SAFER_DECLARE(kernel, ...) std::type_identity_t<__VA_ARGS__> kernel;
SAFER_KERNELS(SAFER_DECLARE)
#undef SAFER_DECLARE

/// The end of every kernel that can accumulate.
inline void put(T& to, T value, bool accumulate) { to = accumulate ? to + value : value; }

/// The end of every kernel with an epilogue: y = activation(y + residual) for n results in a row.
inline void finish(T* y, const T* residual, std::int64_t n, const Epilogue<T>& epilogue) {
  for (std::int64_t i = 0; i < n && residual; ++i) y[i] += residual[i];
  if (epilogue.activates) reference_table.unary[static_cast<std::size_t>(epilogue.activation)](y, y, n, epilogue.alpha);
}

}  // namespace reference
}  // namespace safer::kernels
