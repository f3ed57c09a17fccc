#include <doctest/doctest.h>

#include <string>

#include "engine/parallel.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {

void check_close(float got, double want, double tolerance, std::string_view what, std::int64_t i) {
  const float rounded = float(want);  // beyond the range of float: infinity
  const bool same = std::isnan(want) ? std::isnan(got) : std::isinf(rounded) ? got == rounded : std::abs(got - want) <= tolerance;
  if (same) return;
  INFO(std::string(what));
  CAPTURE(i);
  CAPTURE(tolerance);
  CHECK(got == want);
}

TEST_CASE("every kernel of every instruction set that runs here agrees with the reference") {
  const int threads = available_threads();
  set_threads(1);  // determinism_test holds other numbers of threads against this one
  for (const Isa& isa : isas()) {
    if (!isa.runs_here()) {
      MESSAGE("skipped, this processor cannot run it: " << isa.table->name);
      continue;
    }
    CAPTURE(isa.table->name);
#define SAFER_CHECK(kernel, ...) check_##kernel(*isa.table);
    SAFER_KERNELS(SAFER_CHECK)
#undef SAFER_CHECK
    check_unary(*isa.table);
    check_unary_gradient(*isa.table);
    check_binary(*isa.table);
    check_fold(*isa.table);
  }
  set_threads(threads);
}

}  // namespace safer::kernels
