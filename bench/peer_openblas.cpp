#include <cblas.h>

#include "bench/peers.h"

namespace safer::bench {

void openblas_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads) {
  openblas_set_num_threads(threads);
  const int rows = static_cast<int>(m), columns = static_cast<int>(n), depth = static_cast<int>(k);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, depth, 1, a, depth, b, columns, 0, c, columns);
}

}  // namespace safer::bench
