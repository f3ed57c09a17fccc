#if defined(__x86_64__)

#include "engine/random_fill_loops.h"

namespace safer {
extern const RandomFill avx2_fill;
constinit const RandomFill avx2_fill{"avx2", &fill_uniform, &fill_normal, &choose};
}  // namespace safer

#endif
