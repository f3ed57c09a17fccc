// Compiled for other instructions than the Eigen of the double reference: under another name, or the linker would mix the two.
#define Eigen EigenOfTheBench
#include <Eigen/Core>

#include "bench/peers.h"

namespace safer::bench {

void eigen_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix>(c, m, n).noalias() = Eigen::Map<const Matrix>(a, m, k) * Eigen::Map<const Matrix>(b, k, n);
}

}  // namespace safer::bench
