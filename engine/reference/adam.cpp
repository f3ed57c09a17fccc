#include <cmath>

#include "engine/reference/reference.h"

namespace safer::kernels::reference {

void adam(T* w, T* m, T* v, const T* g, std::int64_t n, const AdamStep<T>& step) {
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = step.beta1 * m[i] + (1 - step.beta1) * g[i];
    v[i] = step.beta2 * v[i] + (1 - step.beta2) * g[i] * g[i];
    w[i] -= step.rate * m[i] / (std::sqrt(v[i]) * step.root + step.epsilon);
  }
}

}  // namespace safer::kernels::reference
