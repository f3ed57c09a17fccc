#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/tape/fusion.h"

namespace safer {

/// A layer's weight and bias with the norm that follows it folded in, for each output channel c
///   w'[c] = scale[c] w[c],   b'[c] = scale[c] b[c] + shift[c]   (Jacob et al. 2018, eq. 14)
/// computed in double, and anew only when one of the tensors that they are made from has changed. A workspace has its own, so that
/// replicas of a network can run side by side, whichever of their tensors differ. A weight near the largest number (a flipped bit
/// of its exponent) may become infinite by its scale, where layer and norm one by one stay finite: plan with fuse = false for that.
class FoldedLayer {
 public:
  /// `step` has a norm; `constants`: by node, of the run's type like the result. They must live as long as this.
  FoldedLayer(const Tape& tape, const ForwardStep& step, DType type, std::span<const Tensor> constants);
  FoldedLayer(const FoldedLayer&) = delete;
  FoldedLayer& operator=(const FoldedLayer&) = delete;

  ValueId op() const { return op_; }
  /// Both stay where they are for good; their versions change with their contents.
  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  /// Takes up the values of the parameters, by id.
  void update(std::span<const Tensor* const> parameters);

 private:
  template <class T>
  void fold();

  struct Source {
    int parameter = -1;
    const Tensor* tensor = nullptr;  // as of the last update
    std::uint64_t version = 0;       // of what was folded
  };
  ValueId op_;
  const Op* norm_;
  int channel_axis_;  // of the weight
  bool has_bias_;
  std::vector<Source> sources_;  // the weight, the bias if there is one, then what the norm reads besides its input
  std::vector<const Tensor*> norm_inputs_;
  Tensor weight_, bias_;
  std::vector<double> scale_, shift_;
  bool folded_ = false;
};

}  // namespace safer
