#include "engine/ops/conv.h"

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/random.h"

namespace safer {
namespace {

/// y = x * w + b, * for the convolution; dx = dy * flipped w, spread by the stride;   dw = x * dy, db = sum of dy over samples and
/// places, over the samples and output channels that are asked for.
class Conv2d final : public OpOf<Conv2d> {
 public:
  static constexpr std::string_view op_name = "conv2d";
  explicit Conv2d(ConvOptions options) : options_(options) {}

  std::string attributes() const override {
    std::string text = fmt::format("stride {}, padding {}", safer::text(options_.stride), safer::text(options_.padding));
    if (options_.dilation != Pair(1)) text += fmt::format(", dilation {}", safer::text(options_.dilation));
    if (options_.groups != 1) text += fmt::format(", groups {}", options_.groups);
    return text;
  }

  ValueType infer(std::span<const ValueType> in) const override {
    for (const ValueType& type : in) require_reals(op_name, type);
    const Shape &x = in[0].shape, &w = in[1].shape;
    if (x.rank() != 4 || in[0].batch_axis > 0)
      throw Error("conv2d: x is {}, expected [N, channels, rows, columns] with the batch first", text(in[0]));
    if (w.rank() != 4 || in[1].batched())
      throw Error("conv2d: the weight is {}, expected [out, channels / groups, rows, columns] for all samples", text(in[1]));
    const std::int64_t groups = options_.groups;
    if (groups < 1 || x[1] % groups != 0 || w[0] % groups != 0)
      throw Error("conv2d: {} groups, but x {} and the weight {} have {} and {} channels; both must be multiples", groups,
                  text(in[0]), w, x[1], w[0]);
    if (w[1] * groups != x[1])
      throw Error("conv2d: x {} has {} channels, but the weight {} takes {}{}", text(in[0]), x[1], w, w[1] * groups,
                  groups == 1 ? "" : fmt::format(" in {} groups", groups));
    if (in.size() > 2 && (in[2].batched() || in[2].shape != Shape{w[0]}))
      throw Error("conv2d: the bias is {}, expected [{}] for all samples", text(in[2]), w[0]);
    const Pair &stride = options_.stride, &dilation = options_.dilation;
    const Padding& padding = options_.padding;
    return {{x[0], w[0], window_outputs(op_name, "rows", x[2], w[2], stride.rows, dilation.rows, padding.top, padding.bottom),
             window_outputs(op_name, "columns", x[3], w[3], stride.columns, dilation.columns, padding.left, padding.right)},
            in[0].batch_axis,
            DType::f32};
  }
  bool gradient_reads_input(int wanted, int input) const override { return wanted == 0 ? input == 1 : wanted == 1 && input == 0; }
  bool gradient_reads_output(int) const override { return false; }
  bool accepts_epilogue() const override { return true; }
  std::optional<OutputChannels> output_channels() const override { return OutputChannels{}; }
  std::int64_t multiply_adds(std::span<const Shape> in, const Shape& out) const override {
    return out.size() * in[1].size(1, in[1].rank());
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const kernels::Conv conv = sizes(run, run.out_shape()[0]);
    const T* bias = run.inputs() > 2 ? run.in(2) : nullptr;
    run.kernels().conv2d(conv, run.out(), run.in(0), run.in(1), packed(run, conv), run.epilogue(bias));
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    const Range all{0, run.out_shape()[0]};
    if (T* dx = run.grad(0))
      run.kernels().conv2d_input_gradient(sizes(run, all.size()), dx, run.out_grad(), run.in(1), run.accumulate(0));
    for (int input = 1; input < run.inputs(); ++input)
      if (T* gradient = run.grad(input)) of_images(run, input, all, {0, run.shape(1)[0]}, gradient, run.accumulate(input));
  }

  template <class T>
  void differentiate_shared(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    const std::int64_t images = run.out_shape()[0] / run.batch();  // that a sample owns
    of_images(run, input, {samples.begin * images, samples.end * images}, rows, out, accumulate);
  }

 private:
  template <class T>
  kernels::Conv sizes(const Run<T>& run, std::int64_t images) const {
    const Shape &x = run.shape(0), &w = run.shape(1), &y = run.out_shape();
    const Pair &stride = options_.stride, &dilation = options_.dilation;
    return {.samples = images,
            .groups = options_.groups,
            .in_channels = x[1],
            .out_channels = w[0],
            .rows = {x[2], y[2], w[2], stride.rows, dilation.rows, options_.padding.top},
            .columns = {x[3], y[3], w[3], stride.columns, dilation.columns, options_.padding.left}};
  }

  /// The weight as the kernel reads it, made once for each version of a parameter; nullptr where it is read as it is.
  template <class T>
  static const T* packed(const Run<T>& run, const kernels::Conv& conv) {
    if constexpr (std::is_same_v<T, float>) {
      const kernels::KernelTable<T>& table = run.kernels();
      if (!run.operand(1).tensor) return nullptr;
      const std::int64_t size = table.packed_conv2d_size(conv);
      if (size == 0) return nullptr;
      std::uint64_t layout = mix(hash(table.name), hash(op_name));
      for (const kernels::WindowAxis& axis : {conv.rows, conv.columns})
        for (const std::int64_t part : {axis.in, axis.out, axis.taps, axis.stride, axis.dilation, axis.before})
          layout = mix(layout, static_cast<std::uint64_t>(part));
      layout = mix(layout, static_cast<std::uint64_t>(conv.groups));
      const struct {
        const kernels::KernelTable<T>& table;
        const kernels::Conv& conv;
        const T* w;
      } packing{table, conv, run.in(1)};
      return run.operand(1).tensor->packed(layout, static_cast<std::size_t>(size),
                                           [&packing](float* to) { packing.table.pack_conv2d(packing.conv, to, packing.w); });
    }
    return nullptr;
  }

  /// The part of the weight's or bias's gradient that some images contribute, for some output channels.
  template <class T>
  void of_images(const Run<T>& run, int input, Range images, Range channels, T* to, bool accumulate) const {
    const Shape &x = run.shape(0), &y = run.out_shape();
    const T* dy = run.out_grad() + images.begin * y.size(1, 4);
    if (input == 1) {
      run.kernels().conv2d_weight_gradient(sizes(run, images.size()), to, dy, run.in(0) + images.begin * x.size(1, 4),
                                           {channels.begin, channels.end}, accumulate);
      return;
    }
    const std::int64_t places = y.size(2, 4);
    if (images.size() == 0) run.kernels().reduce_sum(to, dy, {.outer = channels.size(), .n = 0}, T{1}, accumulate);
    for (std::int64_t n = 0; n < images.size(); ++n)
      run.kernels().reduce_sum(to, dy + (n * y[1] + channels.begin) * places, {.outer = channels.size(), .n = places}, T{1},
                               accumulate || n > 0);
  }

  ConvOptions options_;
};

}  // namespace

Var conv2d(Var x, Var w, Var b, ConvOptions options, std::string_view name) {
  const std::string own = name.empty() ? layer_name(w) : std::string(name);
  const auto op = std::make_shared<const Conv2d>(options);
  return b ? x.tape().record(op, {x, w, b}, own) : x.tape().record(op, {x, w}, own);
}

}  // namespace safer
