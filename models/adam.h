#pragma once

#include <cstdint>
#include <vector>

#include "engine/aligned.h"
#include "engine/kernels/dispatch.h"
#include "engine/tape/gradient_sink.h"

namespace safer {

struct AdamOptions {
  double learning_rate = 0.01, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

/// Adam (Kingma & Ba 2015, algorithm 1). As the sink of a reverse sweep it takes each parameter's gradient, summed over the batch;
/// step() then moves the parameters. Buffers are left alone.
class Adam final : public GradientSink<float> {
 public:
  explicit Adam(const Parameters& parameters, const AdamOptions& options = {},
                const kernels::KernelTable<float>& table = kernels::active());

  bool wants(int parameter) const override;
  void fold(const ParameterGradient<float>& gradient) override;
  /// Moves `parameters` (of the table that it was made for) along the gradients folded last. Throws Error, and moves nothing, when
  /// a gradient is NaN or infinite; the message names the step, from 1, and the parameter.
  void step(Parameters& parameters);
  std::int64_t steps() const { return steps_; }

 private:
  /// Where one parameter's gradient and moments begin, in floats, and its values during a step.
  struct Slot {
    std::int64_t at = 0, size = 0;
    bool trained = false;
    float* values = nullptr;
  };
  float* array(int which) const { return reinterpret_cast<float*>(memory_.get()) + which * length_; }
  void check(const Parameters& parameters) const;

  const kernels::KernelTable<float>* table_;
  AdamOptions options_;
  std::vector<Slot> slots_;  // by parameter
  std::int64_t length_ = 0;  // floats of one of the three arrays: gradients, first and second moments
  AlignedBytes memory_;
  std::int64_t steps_ = 0;
};

}  // namespace safer
