#include <utility>

#include "engine/reference/elementwise.h"

namespace safer::kernels {
namespace {

template <int... u, int... b, int... f>
constexpr KernelTable<double> make(std::integer_sequence<int, u...>, std::integer_sequence<int, b...>,
                                   std::integer_sequence<int, f...>) {
  return {"reference",
#define SAFER_ENTRY(kernel, ...) &reference::kernel,
          SAFER_KERNELS(SAFER_ENTRY)
#undef SAFER_ENTRY
              {&reference::unary<Unary(u)>...},
          {&reference::unary_gradient<Unary(u)>...},
          {&reference::binary<Binary(b)>...},
          {&reference::fold<Fold(f)>...}};
}

}  // namespace

constinit const KernelTable<double> reference_table =
    make(std::make_integer_sequence<int, unary_count>{}, std::make_integer_sequence<int, binary_count>{},
         std::make_integer_sequence<int, fold_count>{});

}  // namespace safer::kernels
