#pragma once

#include <vector>

#include "engine/tape/gradient_sink.h"

namespace safer {

/// The sink of ordinary training: keeps each parameter's gradient, summed over the batch. A later sweep replaces what it held.
template <class T>
class BatchGradient final : public GradientSink<T> {
 public:
  explicit BatchGradient(const ParameterTable& table) {
    for (int id = 0; id < table.size(); ++id) gradients_.emplace_back(static_cast<std::size_t>(table[id].shape.size()), T{0});
  }
  void fold(const ParameterGradient<T>& gradient) override {
    gradient.batch_sum(gradients_[static_cast<std::size_t>(gradient.parameter())].data());
  }
  /// [the parameter's shape]; zeros when no sweep offered it.
  std::span<const T> of(int parameter) const { return gradients_[static_cast<std::size_t>(parameter)]; }

 private:
  std::vector<std::vector<T>> gradients_;
};

}  // namespace safer
