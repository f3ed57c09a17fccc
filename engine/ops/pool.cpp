#include "engine/ops/pool.h"

#include <numeric>
#include <vector>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/reduce.h"

namespace safer {
namespace {

enum class Pooling { max, average };

/// max: dx = dy where the largest element of each window stands.   average: dx = dy / count, at every element of the window.
template <Pooling kind>
class Pool2d final : public OpOf<Pool2d<kind>> {
 public:
  static constexpr std::string_view op_name = kind == Pooling::max ? "max_pool2d" : "average_pool2d";
  Pool2d(Pair window, PoolOptions options) : window_(window), options_(options) {}

  std::string attributes() const override {
    std::string text = fmt::format("window {}, stride {}, padding {}", safer::text(window_), safer::text(options_.stride),
                                   safer::text(options_.padding));
    if (options_.dilation != Pair(1)) text += fmt::format(", dilation {}", safer::text(options_.dilation));
    if (options_.ceil) text += ", ceil";
    if (options_.count_padding) text += ", counting the padding";
    return text;
  }

  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    const Shape& x = in[0].shape;
    if (x.rank() != 4 || in[0].batch_axis > 0)
      throw Error("{}: x is {}, expected [N, channels, rows, columns] with the batch first", op_name, safer::text(in[0]));
    if (kind == Pooling::max && options_.count_padding)
      throw Error("max_pool2d: count_padding is for averages; a maximum never sees the padding");
    const auto& [top, left, bottom, right] = options_.padding;
    return {{x[0], x[1], outputs("rows", x[2], window_.rows, options_.stride.rows, options_.dilation.rows, top, bottom),
             outputs("columns", x[3], window_.columns, options_.stride.columns, options_.dilation.columns, left, right)},
            in[0].batch_axis,
            DType::f32};
  }
  bool gradient_reads_input(int, int) const override { return kind == Pooling::max; }
  bool gradient_reads_output(int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    if constexpr (kind == Pooling::max)
      run.kernels().max_pool(sizes(run), run.out(), run.in(0));
    else
      run.kernels().average_pool(sizes(run), run.out(), run.in(0));
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    if constexpr (kind == Pooling::max)
      run.kernels().max_pool_gradient(sizes(run), run.grad(0), run.out_grad(), run.in(0), run.accumulate(0));
    else
      run.kernels().average_pool_gradient(sizes(run), run.grad(0), run.out_grad(), run.accumulate(0));
  }

 private:
  /// Windows along one axis, each of which holds at least one place of it.
  std::int64_t outputs(std::string_view axis, std::int64_t in, std::int64_t taps, std::int64_t stride, std::int64_t dilation,
                       std::int64_t before, std::int64_t after) const {
    const std::int64_t out = window_outputs(op_name, axis, in, taps, stride, dilation, before, after, options_.ceil);
    // Taps of the first window that lie before the axis; a dilation beyond the axis may step over it.
    const std::int64_t outside = (before + dilation - 1) / dilation;
    if (outside >= taps || (before > 0 && taps > 1 && dilation > in) || (out - 1) * stride - before >= in)
      throw Error("{}: a window of {} taps, dilation {}, would see padding only, which is {} before and {} after the {} {}",
                  op_name, taps, dilation, before, after, in, axis);
    return out;
  }

  template <class T>
  kernels::Pool sizes(const Run<T>& run) const {
    const Shape &x = run.shape(0), &y = run.out_shape();
    const Padding& padding = options_.padding;
    return {.planes = x[0] * x[1],
            .rows = {x[2], y[2], window_.rows, options_.stride.rows, options_.dilation.rows, padding.top},
            .columns = {x[3], y[3], window_.columns, options_.stride.columns, options_.dilation.columns, padding.left},
            .counts_padding = options_.count_padding,
            .bottom = padding.bottom,
            .right = padding.right};
  }

  Pair window_;
  PoolOptions options_;
};

/// The axes of places, behind those of samples and channels.
std::vector<std::int64_t> place_axes(Var x, std::string_view who) {
  if (x.shape().rank() < 3 || x.type().batch_axis > 0)
    throw Error("{}: x is {}, expected [N, channels, places...] with the batch first", who, text(x.type()));
  std::vector<std::int64_t> axes(static_cast<std::size_t>(x.shape().rank() - 2));
  std::iota(axes.begin(), axes.end(), 2);
  return axes;
}

}  // namespace

Var max_pool2d(Var x, Pair window, PoolOptions options, std::string_view name) {
  return x.tape().record(std::make_shared<const Pool2d<Pooling::max>>(window, options), {x}, name);
}
Var average_pool2d(Var x, Pair window, PoolOptions options, std::string_view name) {
  return x.tape().record(std::make_shared<const Pool2d<Pooling::average>>(window, options), {x}, name);
}
Var global_average_pool(Var x) { return mean(x, place_axes(x, "global_average_pool"), true); }
Var global_max_pool(Var x) { return max(x, place_axes(x, "global_max_pool"), true); }

}  // namespace safer
