#pragma once

#include <span>

#include "engine/tape/op.h"

namespace safer {

/// The gradient of one parameter, as offered by a reverse sweep: computed on demand by tiles, from values that live only during
/// the offer. Shared weights: a tile is the sum over all uses. tile() may be called from several threads for different rows.
template <class T>
class ParameterGradient {
 public:
  struct Use {
    const Op* op;
    const Run<T>* run;
    int input;
  };
  ParameterGradient(int parameter, const Shape& shape, std::int64_t batch, std::span<const Use> uses, const T* batch_sum)
      : uses_(uses), batch_sum_(batch_sum), shape_(shape), batch_(batch), parameter_(parameter) {}

  int parameter() const { return parameter_; }
  const Shape& shape() const { return shape_; }
  /// The weight as rows (its leading axis) of row_size() elements; a scalar is one row.
  std::int64_t rows() const { return shape_.rank() == 0 ? 1 : shape_[0]; }
  std::int64_t row_size() const { return shape_.rank() == 0 ? 1 : shape_.size(1, shape_.rank()); }
  std::int64_t samples() const { return batch_; }

  /// out[rows.size(), row_size()] = these rows of the gradient, summed over `samples`: one sample's own gradient for [s, s + 1).
  /// Single samples may be asked for only by sinks that announced it with per_sample().
  void tile(Range samples, Range rows, T* out) const;
  /// The whole batch: out[shape].
  void batch_sum(T* out) const { tile({0, batch_}, {0, rows()}, out); }

 private:
  std::span<const Use> uses_;
  const T* batch_sum_;  // where a gradient flows through values computed from the parameter, only the batch's sum exists
  Shape shape_;
  std::int64_t batch_;
  int parameter_;
};

/// Receives the weight gradients of a reverse sweep, one parameter at a time, from the last layer to the first. What is not folded
/// into the sink's own accumulators during the call is gone.
template <class T>
class GradientSink {
 public:
  virtual ~GradientSink() = default;
  virtual bool wants(int /*parameter*/) const { return true; }
  /// Whether fold() asks for single samples. The sweep refuses up front where those do not exist.
  virtual bool per_sample() const { return false; }
  virtual void fold(const ParameterGradient<T>& gradient) = 0;
};

}  // namespace safer
