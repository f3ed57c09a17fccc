#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "bench/floats.h"
#include "engine/kernels/kernel_table.h"

/// Other libraries on the same work. OpenBLAS and oneDNN are among them when they were installed where this was configured.
namespace safer::bench {

/// c[m, n] = a[m, k] b[k, n], row-major, by one library on so many threads.
struct PeerProduct {
  std::string_view name;
  void (*run)(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads);
  int most_threads;
};
std::vector<PeerProduct> peer_products();

/// By Eigen for AVX2 (or this processor's baseline), on the calling thread.
void eigen_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads);
void openblas_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads);
void onednn_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads);

enum class Direction { forward, input_gradient, weight_gradient };

/// One convolution by one library, its operands in the layout that the library likes best. What turns them into it and back is not
/// part of run().
class PeerConvolution {
 public:
  virtual ~PeerConvolution() = default;
  virtual void run() = 0;
  /// The result as our kernels lay it out.
  virtual Floats result() = 0;
};

/// Operands as our kernels take them, x [n, ci, h, w], weights [co, ci / groups, kh, kw], y [n, co, oh, ow]; null without oneDNN.
std::unique_ptr<PeerConvolution> onednn_convolution(const kernels::Conv& conv, Direction direction, const Floats& x,
                                                    const Floats& weights, const Floats& y, int threads);

}  // namespace safer::bench
