#include "engine/kernels/dispatch.h"

#include <cstdlib>
#include <string>

#include "engine/error.h"
#include "engine/reference/reference.h"

// Compiled for the baseline of the processor: what decides which code may run must itself run everywhere.
namespace safer::kernels {

#if defined(__x86_64__)
extern const KernelTable<float> sse2_table, avx2_table;
#if !defined(SAFER_WITHOUT_AVX512)
extern const KernelTable<float> avx512_table;
#endif
#elif defined(__aarch64__)
extern const KernelTable<float> neon64_table;
#endif

namespace {

// __builtin_cpu_supports also asks whether the operating system saves the registers.
constexpr Isa list[] = {
#if defined(__x86_64__)
#if !defined(SAFER_WITHOUT_AVX512)
    {&avx512_table,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
     },
     true},
#endif
    {&avx2_table, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, true},
    {&sse2_table, [] { return true; }, true},
#elif defined(__aarch64__)
    {&neon64_table, [] { return true; }, true},  // under qemu's emulation of a processor, in every run of tools/run-tests
#endif
};

std::string choices() {
  std::string names;
  for (const Isa& isa : list)
    if (isa.runs_here()) names.append(names.empty() ? "" : ", ").append(isa.table->name);
  return names;
}

const KernelTable<float>& best() {
  for (const Isa& isa : list)
    if (isa.proven && isa.runs_here()) return *isa.table;
  return *std::end(list)[-1].table;
}

const KernelTable<float>& chosen() {
  const char* forced = std::getenv("SAFER_ISA");
  return forced && *forced ? find(forced) : best();
}

}  // namespace

std::span<const Isa> isas() { return list; }

const KernelTable<float>& active() {
  static const KernelTable<float>& table = chosen();
  return table;
}

const KernelTable<float>& find(std::string_view name) {
  for (const Isa& isa : list)
    if (isa.table->name == name) {
      if (isa.runs_here()) return *isa.table;
      throw Error("SAFER_ISA: this processor cannot run '{}'; choose one of: {}", name, choices());
    }
  throw Error("SAFER_ISA: unknown instruction set '{}'; choose one of: {}", name, choices());
}

template <>
const KernelTable<float>& table<float>() {
  return active();
}
template <>
const KernelTable<double>& table<double>() {
  return reference_table;
}

}  // namespace safer::kernels
