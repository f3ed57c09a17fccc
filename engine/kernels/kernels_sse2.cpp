#if defined(__x86_64__)

#include "engine/kernels/generic/plain.h"

namespace safer::kernels {
extern const KernelTable<float> sse2_table;
constinit const KernelTable<float> sse2_table = make("sse2");
}  // namespace safer::kernels

#endif
