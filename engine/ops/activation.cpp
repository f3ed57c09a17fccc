#include "engine/ops/activation.h"

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/parallel.h"

namespace safer {
namespace {

using kernels::Unary;

/// y = f(x),  dx += dy f'(x)
template <Unary f>
class UnaryElementwise final : public OpOf<UnaryElementwise<f>> {
 public:
  static constexpr std::string_view op_name = kernels::unary_names[static_cast<int>(f)];
  explicit UnaryElementwise(double alpha) : alpha_(alpha) {}

  std::string attributes() const override { return f == Unary::leaky_relu ? fmt::format("slope {}", alpha_) : ""; }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    return in[0];
  }
  bool gradient_reads_input(int, int) const override { return reads_x; }
  bool gradient_reads_output(int) const override { return reads_y; }
  bool in_place(int) const override { return true; }
  bool gradient_in_place(int) const override { return true; }
  std::optional<Activation> as_activation() const override { return Activation{f, alpha_}; }
  bool is_activation() const override {
    return f != Unary::exp && f != Unary::log && f != Unary::erf && f != Unary::square && f != Unary::sqrt;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const auto kernel = run.kernels().unary[index];
    parallel_blocks(run.out_shape().size(), cost, [&](std::int64_t first, std::int64_t count) {
      kernel(run.out() + first, run.in(0) + first, count, static_cast<T>(alpha_));
    });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    const auto kernel = run.kernels().unary_gradient[index];
    parallel_blocks(run.out_shape().size(), cost, [&](std::int64_t first, std::int64_t count) {
      kernel(run.grad(0) + first, run.out_grad() + first, reads_x ? run.in(0) + first : nullptr,
             reads_y ? run.out() + first : nullptr, count, static_cast<T>(alpha_), run.accumulate(0));
    });
  }

 private:
  static constexpr int index = static_cast<int>(f);
  static constexpr bool reads_x = kernels::reads_x[index], reads_y = kernels::reads_y[index];
  static constexpr std::int64_t cost = 4;
  double alpha_;
};

template <Unary f>
Var elementwise(Var x, double alpha = 0) {
  return x.tape().record(std::make_shared<UnaryElementwise<f>>(alpha), {x});
}

/// y = softmax(x) or its logarithm; the gradients need y only.
template <bool logarithm>
class Softmax final : public OpOf<Softmax<logarithm>> {
 public:
  static constexpr std::string_view op_name = logarithm ? "log_softmax" : "softmax";
  explicit Softmax(std::int64_t axis) : axis_(axis) {}

  std::string attributes() const override { return fmt::format("axis {}", axis_); }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    if (in[0].shape.axis(axis_, op_name) == in[0].batch_axis)
      throw Error("{}: axis {} of {} is the batch axis; choose an axis within a sample", op_name, axis_, text(in[0]));
    return in[0];
  }
  bool gradient_reads_input(int, int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    const auto kernel = logarithm ? run.kernels().log_softmax : run.kernels().softmax;
    each_part(run.out_shape(), [&](std::int64_t at, kernels::Axes part) { kernel(run.out() + at, run.in(0) + at, part); });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    const auto kernel = logarithm ? run.kernels().log_softmax_gradient : run.kernels().softmax_gradient;
    each_part(run.out_shape(), [&](std::int64_t at, kernels::Axes part) {
      kernel(run.grad(0) + at, run.out_grad() + at, run.out() + at, part, run.accumulate(0));
    });
  }

 private:
  template <class F>
  void each_part(const Shape& shape, const F& f) const {
    const int axis = shape.axis(axis_, op_name);
    const std::int64_t n = shape[axis], inner = shape.size(axis + 1, shape.rank());
    parallel_blocks(shape.size(0, axis), 8 * n * inner, [&](std::int64_t first, std::int64_t count) {
      f(first * n * inner, kernels::Axes{count, n, inner});
    });
  }
  std::int64_t axis_;
};

}  // namespace

Var relu(Var x) { return elementwise<Unary::relu>(x); }
Var relu6(Var x) { return elementwise<Unary::relu6>(x); }
Var leaky_relu(Var x, double slope) { return elementwise<Unary::leaky_relu>(x, slope); }
Var gelu(Var x, Gelu form) { return form == Gelu::erf ? elementwise<Unary::gelu>(x) : elementwise<Unary::gelu_tanh>(x); }
Var silu(Var x) { return elementwise<Unary::silu>(x); }
Var hard_swish(Var x) { return elementwise<Unary::hard_swish>(x); }
Var mish(Var x) { return elementwise<Unary::mish>(x); }
Var softplus(Var x) { return elementwise<Unary::softplus>(x); }
Var sigmoid(Var x) { return elementwise<Unary::sigmoid>(x); }
Var tanh(Var x) { return elementwise<Unary::tanh>(x); }
Var exp(Var x) { return elementwise<Unary::exp>(x); }
Var log(Var x) { return elementwise<Unary::log>(x); }
Var erf(Var x) { return elementwise<Unary::erf>(x); }
Var square(Var x) { return elementwise<Unary::square>(x); }
Var sqrt(Var x) { return elementwise<Unary::sqrt>(x); }

Var softmax(Var x, std::int64_t axis) { return x.tape().record(std::make_shared<Softmax<false>>(axis), {x}); }
Var log_softmax(Var x, std::int64_t axis) { return x.tape().record(std::make_shared<Softmax<true>>(axis), {x}); }

}  // namespace safer
