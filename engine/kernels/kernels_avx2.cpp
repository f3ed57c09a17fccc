#if defined(__x86_64__)

#include "engine/kernels/generic/plain.h"

namespace safer::kernels {
extern const KernelTable<float> avx2_table;
constinit const KernelTable<float> avx2_table = make("avx2");
}  // namespace safer::kernels

#endif
