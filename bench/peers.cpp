#include "bench/peers.h"

namespace safer::bench {

std::vector<PeerProduct> peer_products() {
  return {
      {"eigen", &eigen_gemm, 1},
#ifdef SAFER_BENCH_OPENBLAS
      {"openblas", &openblas_gemm, 2},
#endif
#ifdef SAFER_BENCH_ONEDNN
      {"onednn", &onednn_gemm, 2},
#endif
  };
}

#ifndef SAFER_BENCH_ONEDNN
std::unique_ptr<PeerConvolution> onednn_convolution(const kernels::Conv&, Direction, const Floats&, const Floats&, const Floats&,
                                                    int) {
  return nullptr;
}
#endif

}  // namespace safer::bench
