#include "criteria/relevance/fold.h"

#include "engine/kernels/dispatch.h"

namespace safer {
namespace {
void fold(kernels::Fold kind, double* sum, const float* g, std::int64_t n) {
  kernels::table<float>().fold[static_cast<int>(kind)](sum, g, n);
}
}  // namespace

void fold_gradient(double* sum, const float*, const float* g, std::int64_t n) { fold(kernels::Fold::sum, sum, g, n); }
void fold_gradient_square(double* sum, const float*, const float* g, std::int64_t n) { fold(kernels::Fold::square, sum, g, n); }

}  // namespace safer
