#include "engine/ops/norm.h"

#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/ops/checks.h"

namespace safer {
namespace {

class LayerNorm final : public OpOf<LayerNorm> {
 public:
  static constexpr std::string_view op_name = "layer_norm";
  LayerNorm(LayerNormOptions options, bool has_gamma, bool has_beta)
      : options_(options), gamma_(has_gamma ? 1 : 0), beta_(has_beta ? 1 + gamma_ : 0) {}

  std::string attributes() const override { return fmt::format("axes {}, epsilon {}", options_.axes, options_.epsilon); }

  ValueType infer(std::span<const ValueType> in) const override {
    for (const ValueType& type : in) require_reals(op_name, type);
    const Shape& x = in[0].shape;
    if (options_.axes < 1 || options_.axes > x.rank())
      throw Error("layer_norm: {} axes to normalise of x {}; expected 1 to {}", options_.axes, text(in[0]), x.rank());
    if (!(options_.epsilon >= 0)) throw Error("layer_norm: epsilon is {}, expected 0 or more", options_.epsilon);
    const int leading = x.rank() - options_.axes;
    if (in[0].batch_axis >= leading)
      throw Error("layer_norm: the batch axis of x {} is among the last {}, which are normalised", text(in[0]), options_.axes);
    const Shape normalised(std::span(x.begin() + leading, x.end()));
    for (std::size_t i = 1; i < in.size(); ++i)
      if (in[i].batched() || in[i].shape != normalised)
        throw Error("layer_norm: {} is {}, expected {} for x {}", static_cast<int>(i) == gamma_ ? "gamma" : "beta", text(in[i]),
                    normalised, text(in[0]));
    return in[0];
  }
  bool gradient_reads_input(int wanted, int input) const override {
    return wanted == 0 ? input == 0 || input == gamma_ : wanted == gamma_ && input == 0;
  }
  bool gradient_reads_output(int) const override { return false; }
  std::int64_t multiply_adds(std::span<const Shape>, const Shape& out) const override { return 4 * out.size(); }

  template <class T>
  void compute(const Run<T>& run) const {
    const std::int64_t n = row_size(run), rows = run.out_shape().size(0, leading(run));
    run.kernels().layer_norm(run.out(), run.in(0), optional(run, gamma_), optional(run, beta_), rows, n, epsilon<T>());
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    const std::int64_t n = row_size(run), rows = run.out_shape().size(0, leading(run));
    if (T* dx = run.grad(0))
      run.kernels().layer_norm_gradient(dx, run.out_grad(), run.in(0), optional(run, gamma_), rows, n, epsilon<T>(),
                                        run.accumulate(0));
    for (int input = 1; input < run.inputs(); ++input)
      if (T* gradient = run.grad(input)) of_rows(run, input, {0, rows}, {0, n}, gradient, run.accumulate(input));
  }

  template <class T>
  void differentiate_shared(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    const Shape &y = run.out_shape(), &own = run.shape(input);
    const int axis = run.batch_axis();
    const std::int64_t step = own.size(1, own.rank());
    const Range columns{rows.begin * step, rows.end * step};
    // The rows of a range of samples are one block for each place on the axes before the batch axis.
    const std::int64_t blocks = y.size(0, axis), block = y.size(axis, leading(run)), sample = block / run.batch();
    for (std::int64_t i = 0; i < blocks; ++i)
      of_rows(run, input, {i * block + samples.begin * sample, i * block + samples.end * sample}, columns, out,
              accumulate || i > 0);
  }

 private:
  template <class T>
  int leading(const Run<T>& run) const {
    return run.out_shape().rank() - options_.axes;
  }
  template <class T>
  std::int64_t row_size(const Run<T>& run) const {
    return run.out_shape().size(leading(run), run.out_shape().rank());
  }
  template <class T>
  static const T* optional(const Run<T>& run, int input) {
    return input > 0 ? run.in(input) : nullptr;
  }
  template <class T>
  T epsilon() const {
    return static_cast<T>(options_.epsilon);
  }

  /// out (+)= columns of the gradient of gamma or beta that some rows of x contribute.
  template <class T>
  void of_rows(const Run<T>& run, int input, Range rows, Range columns, T* out, bool accumulate) const {
    const std::int64_t n = row_size(run);
    const T *dy = run.out_grad() + rows.begin * n, *x = run.in(0) + rows.begin * n;
    if (columns.size() == n) {
      T *gamma = input == gamma_ ? out : nullptr, *beta = input == gamma_ ? nullptr : out;
      run.kernels().layer_norm_shared_gradient(gamma, beta, dy, x, rows.size(), n, epsilon<T>(), accumulate);
      return;
    }
    for (std::int64_t j = 0; j < columns.size() && !accumulate; ++j) out[j] = 0;
    for (std::int64_t i = 0; i < rows.size(); ++i, dy += n, x += n) {
      const Moments row = input == gamma_ ? moments(x, n) : Moments{};
      for (std::int64_t j = columns.begin; j < columns.end; ++j)
        out[j - columns.begin] +=
            input == gamma_ ? static_cast<T>(double{dy[j]} * (double{x[j]} - row.mean) * row.inverse_deviation) : dy[j];
    }
  }

  struct Moments {
    double mean = 0, inverse_deviation = 0;
  };
  template <class T>
  Moments moments(const T* x, std::int64_t n) const {
    double mean = 0, variance = 0;
    for (std::int64_t j = 0; j < n; ++j) mean += double{x[j]} / static_cast<double>(n);
    for (std::int64_t j = 0; j < n; ++j) variance += (double{x[j]} - mean) * (double{x[j]} - mean) / static_cast<double>(n);
    return {mean, 1 / std::sqrt(variance + options_.epsilon)};
  }

  LayerNormOptions options_;
  int gamma_, beta_;  // their places among the inputs; 0: there is none
};

}  // namespace

Var layer_norm(Var x, Var gamma, Var beta, LayerNormOptions options, std::string_view name) {
  std::vector<Var> inputs{x};
  if (gamma) inputs.push_back(gamma);
  if (beta) inputs.push_back(beta);
  return x.tape().record(std::make_shared<const LayerNorm>(options, bool{gamma}, bool{beta}), inputs, name);
}

}  // namespace safer
