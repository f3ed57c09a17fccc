#include "engine/ops/quantize.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// Whole numbers up to here, and sums of two, are exact in the kernels.
constexpr std::int64_t largest_number = std::int64_t{1} << 20;

class FakeQuantize final : public OpOf<FakeQuantize> {
 public:
  static constexpr std::string_view op_name = "fake_quantize";
  explicit FakeQuantize(QuantizationGrid grid) : grid_(std::move(grid)) {}

  std::string attributes() const override {
    const std::string range = fmt::format("{} .. {}", grid_.least, grid_.most);
    if (count() > 1) return fmt::format("{} scales along axis {}, {}", count(), grid_.axis, range);
    return fmt::format("scale {}, zero point {}, {}", grid_.scale[0], grid_.zero_point[0], range);
  }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    check_grid();
    if (count() == 1) return in[0];
    const int axis = in[0].shape.axis(grid_.axis, op_name);
    if (axis == in[0].batch_axis)
      throw Error("fake_quantize: axis {} of {} is the batch axis; choose an axis within a sample", axis, text(in[0]));
    if (in[0].shape[axis] != count()) throw Error("fake_quantize: {} scales for axis {} of {}", count(), axis, text(in[0]));
    return in[0];
  }
  bool gradient_reads_output(int) const override { return false; }
  bool in_place(int) const override { return true; }
  bool gradient_in_place(int) const override { return true; }

  template <class T>
  void compute(const Run<T>& run) const {
    each_part<T>(run.out_shape(), [&](std::int64_t at, std::int64_t n, const kernels::Grid<T>& grid) {
      run.kernels().fake_quantize(run.out() + at, run.in(0) + at, n, grid);
    });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    each_part<T>(run.out_shape(), [&](std::int64_t at, std::int64_t n, const kernels::Grid<T>& grid) {
      run.kernels().fake_quantize_gradient(run.grad(0) + at, run.out_grad() + at, run.in(0) + at, n, grid, run.accumulate(0));
    });
  }

 private:
  std::int64_t count() const { return static_cast<std::int64_t>(grid_.scale.size()); }

  void check_grid() const {
    if (grid_.scale.empty() || grid_.scale.size() != grid_.zero_point.size())
      throw Error("fake_quantize: {} scales and {} zero points, expected as many, and at least one", grid_.scale.size(),
                  grid_.zero_point.size());
    const auto fits = [](std::int64_t number) { return number >= -largest_number && number <= largest_number; };
    if (!fits(grid_.least) || !fits(grid_.most) || grid_.least > grid_.most)
      throw Error("fake_quantize: whole numbers from {} to {}, expected an ascending range within -{} to {}", grid_.least,
                  grid_.most, largest_number, largest_number);
    for (const float scale : grid_.scale)
      if (!(scale > 0) || !std::isfinite(scale)) throw Error("fake_quantize: scale {}, expected a positive number", scale);
    for (const std::int64_t zero : grid_.zero_point)
      if (!fits(zero)) throw Error("fake_quantize: zero point {}, expected -{} to {}", zero, largest_number, largest_number);
  }

  template <class T>
  kernels::Grid<T> part(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return {static_cast<T>(grid_.scale[at]), static_cast<T>(grid_.least - grid_.zero_point[at]),
            static_cast<T>(grid_.most - grid_.zero_point[at])};
  }

  /// f(first element, number of elements, their grid) for parts that cover all elements.
  template <class T, class F>
  void each_part(const Shape& shape, const F& f) const {
    constexpr std::int64_t cost = 4;
    if (count() == 1) {
      parallel_blocks(shape.size(), cost, [&](std::int64_t first, std::int64_t n) { f(first, n, part<T>(0)); });
      return;
    }
    const int axis = shape.axis(grid_.axis, op_name);
    const std::int64_t inner = shape.size(axis + 1, shape.rank());
    parallel_for(shape.size(0, axis + 1), cost * shape.size(),
                 [&](std::int64_t row) { f(row * inner, inner, part<T>(row % count())); });
  }

  QuantizationGrid grid_;
};

}  // namespace

Var fake_quantize(Var x, QuantizationGrid grid, std::string_view name) {
  return x.tape().record(std::make_shared<const FakeQuantize>(std::move(grid)), {x}, name);
}

}  // namespace safer
