#include "engine/ops/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/parallel.h"

namespace safer {
namespace {

constexpr std::string_view mode_names[] = {"nearest", "bilinear"};
constexpr std::string_view coordinate_names[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"};
constexpr std::string_view rounding_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

/// What an output takes along one axis: (1 - weight) x[lower] + weight x[upper].
struct Tap {
  std::int64_t lower = 0, upper = 0;
  double weight = 0;
};

/// Where an output lies among the inputs of its axis, which may be beyond its ends.
double place(const ResizeOptions& options, std::int64_t in, std::int64_t out, double scale, std::int64_t o) {
  const auto scaled = [&](double at) { return scale > 0 ? at / scale : at * static_cast<double>(in) / static_cast<double>(out); };
  const auto at = static_cast<double>(o);
  switch (options.coordinates) {
    case ResizeCoordinates::asymmetric: return scaled(at);
    case ResizeCoordinates::align_corners: return out == 1 ? 0 : at * static_cast<double>(in - 1) / static_cast<double>(out - 1);
    case ResizeCoordinates::pytorch_half_pixel:
      if (out == 1) return 0;
      [[fallthrough]];
    default: return scaled(at + 0.5) - 0.5;
  }
}

double rounded(ResizeRounding rounding, double x) {
  switch (rounding) {
    case ResizeRounding::round_prefer_floor: return std::ceil(x - 0.5);
    case ResizeRounding::round_prefer_ceil: return std::floor(x + 0.5);
    case ResizeRounding::floor: return std::floor(x);
    default: return std::ceil(x);
  }
}

std::vector<Tap> make_taps(const ResizeOptions& options, std::int64_t in, std::int64_t out, double scale) {
  std::vector<Tap> taps;
  const auto last = static_cast<double>(in - 1);
  for (std::int64_t o = 0; o < out; ++o) {
    double x = place(options, in, out, scale, o);
    if (options.mode == ResizeMode::nearest) x = rounded(options.rounding, x);
    x = std::clamp(x, 0.0, last);
    const double lower = std::floor(x);
    taps.push_back({static_cast<std::int64_t>(lower), static_cast<std::int64_t>(std::min(lower + 1, last)), x - lower});
  }
  return taps;
}

/// nearest: y = x at one place.   bilinear: y = sum of 4 places by weight.   dx: the same weights the other way.
class Resize final : public OpOf<Resize> {
 public:
  static constexpr std::string_view op_name = "resize";
  Resize(const Shape& x, Pair size, const ResizeOptions& options) : size_(size), options_(options) {
    if (!fits(x)) return;  // infer() says why
    rows_ = make_taps(options, x[2], size.rows, options.row_scale);
    columns_ = make_taps(options, x[3], size.columns, options.column_scale);
  }

  std::string attributes() const override {
    std::string text = fmt::format("{} to {}x{}, {}", mode_names[static_cast<int>(options_.mode)], size_.rows, size_.columns,
                                   coordinate_names[static_cast<int>(options_.coordinates)]);
    if (options_.mode == ResizeMode::nearest) text += fmt::format(", {}", rounding_names[static_cast<int>(options_.rounding)]);
    return text;
  }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    const Shape& x = in[0].shape;
    if (x.rank() != 4 || in[0].batch_axis > 0)
      throw Error("resize: x is {}, expected [N, channels, rows, columns] with the batch first", text(in[0]));
    if (!fits(x))
      throw Error("resize: {} to {} x {} by scales {} and {}; expected at least one pixel before and after, and no negative scale",
                  text(in[0]), size_.rows, size_.columns, options_.row_scale, options_.column_scale);
    return {{x[0], x[1], size_.rows, size_.columns}, in[0].batch_axis, DType::f32};
  }
  bool gradient_reads_input(int, int) const override { return false; }
  bool gradient_reads_output(int) const override { return false; }
  std::int64_t multiply_adds(std::span<const Shape>, const Shape& out) const override {
    return options_.mode == ResizeMode::nearest ? 0 : 3 * out.size();
  }

  template <class T>
  void compute(const Run<T>& run) const {
    each_row(
        run,
        [&](const T* x, T* y, const T* upper, double weight) {
          if (options_.mode == ResizeMode::nearest) {
            for (const Tap& tap : columns_) *y++ = x[tap.lower];
            return;
          }
          const T down = static_cast<T>(weight);
          for (const Tap& tap : columns_) {
            const T right = static_cast<T>(tap.weight);
            const T above = x[tap.lower] + right * (x[tap.upper] - x[tap.lower]);
            const T below = upper[tap.lower] + right * (upper[tap.upper] - upper[tap.lower]);
            *y++ = above + down * (below - above);
          }
        },
        run.in(0), run.out());
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    if (!run.accumulate(0)) std::fill_n(run.grad(0), run.shape(0).size(), T{0});
    each_row(
        run,
        [&](T* dx, const T* dy, T* upper, double weight) {
          const T down = static_cast<T>(weight);
          for (const Tap& tap : columns_) {
            const T right = static_cast<T>(tap.weight), below = down * *dy, above = *dy - below;
            dx[tap.lower] += above - right * above;
            dx[tap.upper] += right * above;
            upper[tap.lower] += below - right * below;
            upper[tap.upper] += right * below;
            ++dy;
          }
        },
        run.grad(0), run.out_grad());
  }

 private:
  bool fits(const Shape& x) const {
    const double scales[] = {options_.row_scale, options_.column_scale};
    return x.rank() == 4 && x[2] > 0 && x[3] > 0 && size_.rows > 0 && size_.columns > 0 &&
           std::ranges::all_of(scales, [](double scale) { return scale >= 0 && std::isfinite(scale); });
  }

  /// f(row of the input, row of the output, the input's next row, weight of the latter) for all rows of y, in order within an
  /// image.
  template <class T, class F, class In, class Out>
  void each_row(const Run<T>& run, const F& f, In* x, Out* y) const {
    const Shape &in = run.shape(0), &out = run.out_shape();
    parallel_for(in[0] * in[1], 4 * out.size(), [&](std::int64_t plane) {
      In* const image = x + plane * in[2] * in[3];
      Out* to = y + plane * out[2] * out[3];
      for (const Tap& tap : rows_) {
        f(image + tap.lower * in[3], to, image + tap.upper * in[3], tap.weight);
        to += out[3];
      }
    });
  }

  Pair size_;
  ResizeOptions options_;
  std::vector<Tap> rows_, columns_;  // by output
};

}  // namespace

Var resize(Var x, Pair size, ResizeOptions options, std::string_view name) {
  return x.tape().record(std::make_shared<const Resize>(x.shape(), size, options), {x}, name);
}

}  // namespace safer
