#pragma once

#include "engine/kernels/generic/attention_gradient.h"
#include "engine/kernels/generic/batch_norm.h"
#include "engine/kernels/generic/conv.h"
#include "engine/kernels/generic/elementwise.h"
#include "engine/kernels/generic/gemm.h"
#include "engine/kernels/generic/norm.h"
#include "engine/kernels/generic/pool.h"
#include "engine/kernels/generic/reduce.h"
#include "engine/kernels/generic/softmax.h"

namespace safer::kernels {
namespace {

template <int... u, int... b, int... f>
constexpr KernelTable<float> make_table(std::string_view name, std::integer_sequence<int, u...>, std::integer_sequence<int, b...>,
                                        std::integer_sequence<int, f...>) {
  return {name,
#define SAFER_ENTRY(kernel, ...) &kernel,
          SAFER_KERNELS(SAFER_ENTRY)
#undef SAFER_ENTRY
              {&unary<Unary(u)>...},
          {&unary_gradient<Unary(u)>...},
          {&binary<Binary(b)>...},
          {&fold<Fold(f)>...}};
}

constexpr KernelTable<float> make_table(std::string_view name) {
  return make_table(name, std::make_integer_sequence<int, unary_count>{}, std::make_integer_sequence<int, binary_count>{},
                    std::make_integer_sequence<int, fold_count>{});
}

}  // namespace
}  // namespace safer::kernels
