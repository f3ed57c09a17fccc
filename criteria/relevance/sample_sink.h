#pragma once

#include "engine/tape/gradient_sink.h"

namespace safer {

/// A sink that is told which of all samples the gradients of the next reverse sweep belong to.
class SampleSink : public GradientSink<float> {
 public:
  void select(Range samples) { samples_ = samples; }

 protected:
  Range samples() const { return samples_; }

 private:
  Range samples_;
};

}  // namespace safer
