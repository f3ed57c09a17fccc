#include "engine/tape/gradient_sink.h"

#include <algorithm>

namespace safer {

template <class T>
void ParameterGradient<T>::tile(Range samples, Range rows, T* out) const {
  if (batch_sum_) {
    const T* first = batch_sum_ + rows.begin * row_size();
    std::copy(first, first + rows.size() * row_size(), out);
    return;
  }
  bool accumulate = false;
  for (const Use& use : uses_) {
    use.op->shared_gradient(*use.run, use.input, samples, rows, out, accumulate);
    accumulate = true;
  }
}

template class ParameterGradient<float>;
template class ParameterGradient<double>;

}  // namespace safer
