#include "engine/ops/linear.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/random.h"

namespace safer {
namespace {

/// y = x W^T + b   x: [rows, in]   W: [out, in]   y: [rows, out]
/// dx = dy W       dW = dy^T x     db = sum of the rows of dy, over the rows of whichever samples are asked for
class Linear final : public OpOf<Linear> {
 public:
  static constexpr std::string_view op_name = "linear";
  explicit Linear(WeightLayout layout) : layout_(layout) {}

  std::string attributes() const override { return layout_ == WeightLayout::in_out ? "weight [in, out]" : ""; }

  ValueType infer(std::span<const ValueType> in) const override {
    const Shape &x = in[0].shape, &W = in[1].shape;
    for (const ValueType& type : in) require_reals(op_name, type);
    if (W.rank() != 2 || in[1].batched())
      throw Error("linear: the weight is {}, expected a matrix that all samples share; use matmul for others", text(in[1]));
    const std::int64_t inputs = inputs_of(W), outputs = outputs_of(W);
    if (x.rank() < 1 || x[x.rank() - 1] != inputs)
      throw Error("linear: x is {} but the weight {} takes {} inputs; the last axis of x must have that size", text(in[0]), W,
                  inputs);
    if (in[0].batch_axis == x.rank() - 1)
      throw Error("linear: the batch axis of x {} is its last, which is summed over; transpose x first", text(in[0]));
    if (in.size() > 2 && (in[2].batched() || in[2].shape != Shape{outputs}))
      throw Error("linear: the bias is {}, expected [{}] for all samples", text(in[2]), outputs);
    ValueType result = in[0];
    result.shape[x.rank() - 1] = outputs;
    return result;
  }
  bool gradient_reads_input(int wanted, int input) const override { return wanted == 0 ? input == 1 : wanted == 1 && input == 0; }
  bool gradient_reads_output(int) const override { return false; }
  bool accepts_epilogue() const override { return true; }
  std::optional<OutputChannels> output_channels() const override {
    return OutputChannels{.weight_axis = layout_ == WeightLayout::out_in ? 0 : 1, .output_axis = -1};
  }
  std::int64_t multiply_adds(std::span<const Shape> in, const Shape& out) const override { return out.size() * inputs_of(in[1]); }

  template <class T>
  void compute(const Run<T>& run) const {
    const std::int64_t in = inputs_of(run.shape(1)), out = outputs_of(run.shape(1));
    kernels::Gemm<T> gemm{.m = rows(run), .n = out, .k = in, .a = run.in(0), .a_row = in, .c = run.out(), .c_row = out};
    set_weight(run, gemm, layout_ == WeightLayout::out_in);
    gemm.epilogue = run.epilogue(run.inputs() > 2 ? run.in(2) : nullptr);
    run.kernels().gemm(gemm);
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    if (T* dx = run.grad(0)) {
      const std::int64_t in = inputs_of(run.shape(1)), out = outputs_of(run.shape(1));
      kernels::Gemm<T> gemm{.m = rows(run), .n = in, .k = out, .a = run.out_grad(), .a_row = out, .c = dx, .c_row = in};
      gemm.accumulate = run.accumulate(0);
      set_weight(run, gemm, layout_ == WeightLayout::in_out);
      run.kernels().gemm(gemm);
    }
    for (int input = 1; input < run.inputs(); ++input)
      if (T* gradient = run.grad(input))
        of_block(run, input, {0, rows(run)}, {0, run.shape(input)[0]}, gradient, run.accumulate(input));
  }

  template <class T>
  void differentiate_shared(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    // The rows of a range of samples are one block for each place on the axes before the batch axis.
    const Shape& y = run.out_shape();
    const int axis = run.batch_axis();
    const std::int64_t blocks = y.size(0, axis), block = y.size(axis, y.rank() - 1), sample = block / run.batch();
    for (std::int64_t i = 0; i < blocks; ++i)
      of_block(run, input, {i * block + samples.begin * sample, i * block + samples.end * sample}, rows, out, accumulate || i > 0);
    if (blocks == 0) of_block(run, input, {0, 0}, rows, out, accumulate);
  }

 private:
  std::int64_t inputs_of(const Shape& W) const { return W[layout_ == WeightLayout::out_in ? 1 : 0]; }
  std::int64_t outputs_of(const Shape& W) const { return W[layout_ == WeightLayout::out_in ? 0 : 1]; }
  template <class T>
  static std::int64_t rows(const Run<T>& run) {
    return run.out_shape().size(0, run.out_shape().rank() - 1);
  }

  /// Makes W, or its transpose, the right-hand side of a product; a parameter's packed copy is made once for each version of it.
  template <class T>
  static void set_weight(const Run<T>& run, kernels::Gemm<T>& gemm, bool transposed) {
    const std::int64_t columns = run.shape(1)[1];
    gemm.b = run.in(1);
    gemm.b_row = transposed ? 1 : columns;
    gemm.b_col = transposed ? columns : 1;
    if constexpr (std::is_same_v<T, float>) {
      // A kernel that reads packed operands packs a transposed one itself, each time; another one only when enough rows read it.
      constexpr std::int64_t many_rows = 64;
      if (!run.operand(1).tensor || (!transposed && gemm.m < many_rows)) return;
      const kernels::KernelTable<T>& table = run.kernels();
      const std::int64_t size = table.packed_b_size(gemm.k, gemm.n);
      if (size == 0) return;
      const struct {
        const kernels::KernelTable<T>& table;
        const kernels::Gemm<T>& gemm;
      } packing{table, gemm};
      gemm.packed_b = run.operand(1).tensor->packed(mix(mix(hash(table.name), transposed), static_cast<std::uint64_t>(columns)),
                                                    static_cast<std::size_t>(size),
                                                    [&packing](float* to) { packing.table.pack_b(to, packing.gemm); });
    }
  }

  /// The part of a weight's or bias's gradient that the given rows of x and dy contribute; `part`: rows of the weight.
  template <class T>
  void of_block(const Run<T>& run, int input, Range block, Range part, T* to, bool accumulate) const {
    const std::int64_t in = inputs_of(run.shape(1)), out = outputs_of(run.shape(1));
    const T *dy = run.out_grad() + block.begin * out, *x = run.in(0) + block.begin * in;
    if (input == 2 && part.size() == out)
      return run.kernels().reduce_sum(to, dy, {.n = block.size(), .inner = out}, T{1}, accumulate);
    if (input == 2) return sum_rows(run.kernels(), dy + part.begin, out, block.size(), part.size(), to, accumulate);
    kernels::Gemm<T> gemm{.m = part.size(), .k = block.size(), .a_row = 1, .c = to, .accumulate = accumulate};
    if (layout_ == WeightLayout::out_in) {
      gemm.a = dy + part.begin, gemm.a_col = out;
      gemm.b = x, gemm.b_row = in, gemm.n = in;
    } else {
      gemm.a = x + part.begin, gemm.a_col = in;
      gemm.b = dy, gemm.b_row = out, gemm.n = out;
    }
    gemm.c_row = gemm.n;
    run.kernels().gemm(gemm);
  }

  /// to[n] (+)= the sum of `count` rows that are `stride` apart, in double.
  template <class T>
  static void sum_rows(const kernels::KernelTable<T>& table, const T* rows, std::int64_t stride, std::int64_t count, std::int64_t n,
                       T* to, bool accumulate) {
    constexpr std::int64_t strip = 256;
    const auto add_up = table.fold[static_cast<std::size_t>(kernels::Fold::sum)];
    for (std::int64_t first = 0; first < n; first += strip) {
      const std::int64_t columns = std::min(strip, n - first);
      double totals[strip];
      for (std::int64_t j = 0; j < columns; ++j) totals[j] = accumulate ? double{to[first + j]} : 0;
      for (std::int64_t i = 0; i < count; ++i) add_up(totals, rows + i * stride + first, columns);
      for (std::int64_t j = 0; j < columns; ++j) to[first + j] = static_cast<T>(totals[j]);
    }
  }

  WeightLayout layout_;
};

}  // namespace

Var linear(Var x, Var W, Var b, std::string_view name, WeightLayout layout) {
  const std::string own = name.empty() ? layer_name(W) : std::string(name);
  const auto op = std::make_shared<const Linear>(layout);
  return b ? x.tape().record(op, {x, W, b}, own) : x.tape().record(op, {x, W}, own);
}

}  // namespace safer
