#pragma once

#include <cstdint>
#include <vector>

#include "engine/kernels/dispatch.h"
#include "engine/parameters.h"
#include "engine/tape/batch_gradient.h"

namespace safer {

struct AdamOptions {
  double learning_rate = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// Adam (Kingma & Ba 2015, algorithm 1) for all parameters but buffers. Keeps the two moments of each.
class Adam {
 public:
  explicit Adam(const Parameters& parameters, const AdamOptions& options = {},
                const kernels::KernelTable<float>& table = kernels::active());

  /// Moves `parameters` (of the table that it was made for) along `gradient`. Throws Error, and moves nothing, when a gradient
  /// is NaN or infinite; the message names the step, from 1, and the parameter.
  void step(Parameters& parameters, const BatchGradient<float>& gradient);
  std::int64_t steps() const { return steps_; }
  void set_learning_rate(double rate) { options_.learning_rate = rate; }

 private:
  struct Moments {
    std::vector<float> first, second;
  };
  void check_finite(const Parameters& parameters, const BatchGradient<float>& gradient) const;

  const kernels::KernelTable<float>* table_;
  AdamOptions options_;
  std::vector<Moments> moments_;  // by parameter; empty for buffers
  std::int64_t steps_ = 0;
};

}  // namespace safer
