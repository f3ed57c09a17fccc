#if defined(__aarch64__)

#include "engine/kernels/generic/plain.h"

namespace safer::kernels {
extern const KernelTable<float> neon64_table;
constinit const KernelTable<float> neon64_table = make("neon64");
}  // namespace safer::kernels

#endif
