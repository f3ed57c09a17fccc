#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/kernels/kernel_table.h"
#include "engine/ops/table.h"
#include "engine/parameters.h"
#include "engine/shape.h"
#include "engine/tensor.h"

namespace safer {

/// The static type of a value on a tape. The batch size stays free: `shape` is what one sample owns, and a value of N samples has N
/// times as many rows on its batch axis. [N, 3, 32, 32] has shape [1, 3, 32, 32] and batch axis 0; an attention layout in which
/// each sample owns `tokens` rows of a matrix has shape [tokens, d].
struct ValueType {
  Shape shape;
  int batch_axis = -1;      // -1: no batch axis; parameters, constants and what is computed from them alone
  DType type = DType::f32;  // f32 stands for the real type of the run (float or double); i64 for indices

  bool batched() const { return batch_axis >= 0; }
  Shape at(std::int64_t batch) const {
    Shape full = shape;
    if (batched()) full[batch_axis] *= batch;
    return full;
  }
  bool operator==(const ValueType&) const = default;
};

/// Behaviour of dropout, stochastic depth and batch norm. Which gradients are wanted is a separate matter.
enum class Mode { inference, training };

/// Which random numbers a run draws: they are a function of these, the node's name, the sample and the element.
struct Randomness {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;          // of training; fresh noise each step
  std::uint64_t first_sample = 0;  // number of the first sample of this batch
};

/// One input of a node in one program of one workspace.
template <class T>
struct Operand {
  const void* value = nullptr;
  T* grad = nullptr;               // nullptr: not wanted, or offered to a sink instead
  const Tensor* tensor = nullptr;  // the parameter that stands here, for packed copies; nullptr: a computed value
  Shape shape;                     // of the whole batch
  bool batched = false;
  bool wanted = false;      // the reverse sweep wants a gradient for this input
  bool accumulate = false;  // add to what grad holds
};

/// A function of single elements that kernels can apply to their results.
struct Activation {
  kernels::Unary function = kernels::Unary::relu;
  double alpha = 0;  // of leaky_relu
};

/// Where an op of x, a weight and maybe a bias has its output channels. Each is linear in its own part of weight and bias.
struct OutputChannels {
  int weight_axis = 0;
  int output_axis = 1;  // -1: the last
};

/// What an op sees of a run: plain pointers to inputs, output, gradients and scratch, with the shapes of the whole batch.
template <class T>
struct Run {
  std::span<Operand<T>> operands;
  T* output = nullptr;
  const T* output_gradient = nullptr;
  T* scratch_memory = nullptr;
  Shape output_shape;
  std::int64_t samples = 0;
  int output_batch_axis = -1;
  std::uint64_t name_hash = 0;
  const kernels::KernelTable<T>* table = nullptr;
  const Randomness* randomness = nullptr;
  Mode mode = Mode::inference;
  const Operand<T>* residual = nullptr;       // what a fused step adds to the result of an op that accepts_epilogue()
  std::optional<Activation> activation = {};  // what it then applies

  int inputs() const { return static_cast<int>(operands.size()); }
  const Operand<T>& operand(int i) const { return operands[static_cast<std::size_t>(i)]; }
  const T* in(int i) const { return static_cast<const T*>(operand(i).value); }
  const std::int64_t* index(int i) const { return static_cast<const std::int64_t*>(operand(i).value); }
  const Shape& shape(int i) const { return operand(i).shape; }
  T* out() const { return output; }
  const Shape& out_shape() const { return output_shape; }
  const T* out_grad() const { return output_gradient; }
  /// Where the gradient of input i goes; nullptr when none is wanted.
  T* grad(int i) const { return operand(i).grad; }
  bool accumulate(int i) const { return operand(i).accumulate; }
  /// Op::scratch elements, for this call only.
  T* scratch() const { return scratch_memory; }
  std::int64_t batch() const { return samples; }
  /// The batch axis of the output; -1 when it has none.
  int batch_axis() const { return output_batch_axis; }
  bool training() const { return mode == Mode::training; }
  const kernels::KernelTable<T>& kernels() const { return *table; }
  /// What an op that accepts_epilogue() does to its result, which may have a bias.
  kernels::Epilogue<T> epilogue(const T* bias) const {
    kernels::Epilogue<T> all{.bias = bias};
    if (residual) all.residual = static_cast<const T*>(residual->value);
    if (activation) {
      all.activates = true;
      all.activation = activation->function;
      all.alpha = static_cast<T>(activation->alpha);
    }
    return all;
  }
  /// The key of this node's random numbers; their sample is randomness->first_sample plus the place in the batch.
  std::uint64_t key() const;
};

/// An operation with its gradient. An op holds attributes, never values, and is immutable once recorded.
///
/// Gradients come in two kinds. An input that varies over the batch (or any input of an op without a batch) gets its gradient from
/// reverse(). An input that all samples share (a weight, a bias, anything computed from them) of an op with batched output gets
/// it from shared_gradient(), which can produce any rows of the sum over any range of samples: the batch sum and each sample's own
/// gradient are the same function. Derive from OpOf, which forwards float and double to one template each.
class Op {
 public:
  virtual ~Op() = default;
  virtual std::string_view name() const = 0;
  /// Attributes in words, for listings: "slope 0.01".
  virtual std::string attributes() const { return {}; }
  /// Type of the output. Throws Error when the inputs do not fit.
  virtual ValueType infer(std::span<const ValueType> in) const = 0;

  /// Whether the gradient of input `wanted` reads the value of `input`, or that of the output. What is not read is not kept.
  virtual bool gradient_reads_input(int /*wanted*/, int /*input*/) const { return true; }
  virtual bool gradient_reads_output(int /*wanted*/) const { return true; }
  /// The output may stand where this input stood (same number of elements).
  virtual bool in_place(int /*input*/) const { return false; }
  /// The gradient of this only wanted input may stand where the output's gradient stood.
  virtual bool gradient_in_place(int /*input*/) const { return false; }
  /// The output has the same elements in the same order as input 0.
  virtual bool is_view() const { return false; }
  /// An elementwise non-linearity: what the next layer reads is its output.
  virtual bool is_activation() const { return false; }
  /// What a plan may fuse into one step (engine/tape/fusion.h): forward() honours run.epilogue();
  virtual bool accepts_epilogue() const { return false; }
  /// it is linear in weight and bias, so that a scale and a shift of its channels can be folded into them;
  virtual std::optional<OutputChannels> output_channels() const { return std::nullopt; }
  /// in this mode, the output is scale[c] x + shift[c] for each channel c of axis 1 of x, its first input,
  virtual bool scales_channels(Mode) const { return false; }
  /// where these are the scale and shift that the values of its other inputs give;
  virtual void channel_scales(std::span<const Tensor* const> /*others*/, std::span<double> /*scale*/,
                              std::span<double> /*shift*/) const {}
  /// the output is the sum of the two inputs, broadcast where their shapes differ;
  virtual bool is_sum() const { return false; }
  /// the output is a function of the only input, element by element.
  virtual std::optional<Activation> as_activation() const { return std::nullopt; }
  /// A sample's output depends on other samples, so that per-sample gradients do not exist.
  virtual bool mixes_samples(Mode) const { return false; }
  /// Elements of scratch that forward() or reverse() needs (not shared_gradient), for whole-batch shapes.
  virtual std::int64_t scratch(std::span<const Shape> /*in*/, const Shape& /*out*/) const { return 0; }
  /// Multiply-adds of one forward run, for whole-batch shapes.
  virtual std::int64_t multiply_adds(std::span<const Shape> /*in*/, const Shape& /*out*/) const { return 0; }

  virtual void forward(const Run<float>& run) const = 0;
  virtual void forward(const Run<double>& run) const = 0;
  /// For each input i with run.grad(i), in ascending order: the gradient, honouring run.accumulate(i).
  virtual void reverse(const Run<float>& run) const = 0;
  virtual void reverse(const Run<double>& run) const = 0;
  /// out[rows] (+)= sum over `samples` of the gradient of shared input `input`; rows: a range of its leading axis (0..1 for rank
  /// 0), out: the first of these rows. May be called from several threads at once for different rows, so it must not use scratch.
  virtual void shared_gradient(const Run<float>& run, int input, Range samples, Range rows, float* out, bool accumulate) const = 0;
  virtual void shared_gradient(const Run<double>& run, int input, Range samples, Range rows, double* out,
                               bool accumulate) const = 0;
};

/// Makes an Op of a class with
///   static constexpr std::string_view op_name;                      a row of engine/ops/table.h
///   template <class T> void compute(const Run<T>&) const;           forward
///   template <class T> void differentiate(const Run<T>&) const;     gradients of inputs that vary (if it has any)
///   template <class T> void differentiate_shared(const Run<T>&, int input, Range samples, Range rows, T* out, bool accumulate)
///   const;                                                          gradients of shared inputs (if it can have any)
template <class Derived>
class OpOf : public Op {
 public:
  std::string_view name() const final { return Derived::op_name; }
  void forward(const Run<float>& run) const final { self().template compute<float>(run); }
  void forward(const Run<double>& run) const final { self().template compute<double>(run); }
  void reverse(const Run<float>& run) const final { differentiate_if(run); }
  void reverse(const Run<double>& run) const final { differentiate_if(run); }
  void shared_gradient(const Run<float>& run, int input, Range samples, Range rows, float* out, bool accumulate) const final {
    shared_if(run, input, samples, rows, out, accumulate);
  }
  void shared_gradient(const Run<double>& run, int input, Range samples, Range rows, double* out, bool accumulate) const final {
    shared_if(run, input, samples, rows, out, accumulate);
  }

 private:
  const Derived& self() const {
    static_assert(is_listed_op(Derived::op_name), "add the op to engine/ops/table.h, so that its gradient is tested");
    return static_cast<const Derived&>(*this);
  }
  template <class T>
  void differentiate_if(const Run<T>& run) const {
    if constexpr (requires { self().template differentiate<T>(run); }) self().template differentiate<T>(run);
  }
  template <class T>
  void shared_if(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    if constexpr (requires { self().template differentiate_shared<T>(run, input, samples, rows, out, accumulate); })
      self().template differentiate_shared<T>(run, input, samples, rows, out, accumulate);
  }
};

}  // namespace safer
