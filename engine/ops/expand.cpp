#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "engine/ops/strided.h"

namespace safer {
namespace {

/// y[..., i, ...] = x[..., i or 0, ...];  dx sums what was repeated, over any of the samples
class Expand final : public OpOf<Expand> {
 public:
  static constexpr std::string_view op_name = "expand";
  explicit Expand(ValueType to) : to_(to) {}

  std::string attributes() const override { return "to " + text(to_); }
  ValueType infer(std::span<const ValueType> in) const override {
    const ValueType& x = in[0];
    require_reals(op_name, x);
    const int lacking = to_.shape.rank() - x.shape.rank();
    bool fits = lacking >= 0 && (!x.batched() || x.batch_axis + lacking == to_.batch_axis);
    for (int axis = 0; fits && axis < x.shape.rank(); ++axis) {
      const std::int64_t size = x.shape[axis], wanted = to_.shape[axis + lacking];
      fits = size == wanted || (size == 1 && axis != x.batch_axis);
    }
    if (!fits) throw Error("expand: {} cannot be repeated to {}; its last axes must match or have size 1", text(x), text(to_));
    return {to_.shape, to_.batch_axis, x.type};
  }
  bool gradient_reads_input(int, int) const override { return false; }
  bool gradient_reads_output(int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    Walk walk;
    each_axis(run, all_samples(run), [&](const Walk::Axis& axis, bool) { walk.add(axis); });
    copy(walk, run.out(), run.in(0), false);
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    sum(run, all_samples(run), all_rows(run), run.grad(0), run.accumulate(0));
  }
  template <class T>
  void differentiate_shared(const Run<T>& run, int, Range samples, Range rows, T* out, bool accumulate) const {
    sum(run, samples, rows, out, accumulate);
  }

 private:
  template <class T>
  static Range all_samples(const Run<T>& run) {
    return {0, run.batch_axis() < 0 ? 1 : run.batch()};
  }
  template <class T>
  static Range all_rows(const Run<T>& run) {
    return {0, run.shape(0).rank() == 0 ? 1 : run.shape(0)[0]};
  }

  /// f(sizes and steps, whether x has this axis as its leading one) for y's axes in order; `to` is y, `from` is x. The batch axis
  /// comes as two, samples and the rows of one.
  template <class T, class F>
  void each_axis(const Run<T>& run, Range samples, const F& f) const {
    const Shape &x = run.shape(0), &y = run.out_shape();
    const Steps to = dense_steps(y), from = dense_steps(x);
    const int lacking = y.rank() - x.rank();
    for (int axis = 0; axis < y.rank(); ++axis) {
      const int own = axis - lacking;
      const std::int64_t size = own < 0 ? 1 : x[own], step = own < 0 ? 0 : at(from, own);
      if (axis != run.batch_axis()) {
        f(walk_axis(y[axis], at(to, axis), step), own == 0);
        continue;
      }
      const bool varies = run.operand(0).batched;
      const std::int64_t rows = y[axis] / run.batch(), own_rows = varies ? size / run.batch() : size;
      f(walk_axis(samples.size(), rows * at(to, axis), varies ? own_rows * step : 0), false);
      f(walk_axis(rows, at(to, axis), own_rows == 1 ? 0 : step), own == 0);
    }
  }

  template <class T>
  void sum(const Run<T>& run, Range samples, Range rows, T* out, bool accumulate) const {
    Walk kept, summed;
    std::int64_t first =
        run.batch_axis() < 0 ? 0 : samples.begin * (run.out_shape().size(run.batch_axis(), run.out_shape().rank()) / run.batch());
    each_axis(run, samples, [&](const Walk::Axis& axis, bool leading) {
      if (axis.step[1] == 0) {
        summed.add(walk_axis(axis.size, 0, axis.step[0]));
      } else if (leading && !run.operand(0).batched) {
        first += rows.begin * axis.step[0];
        kept.add(walk_axis(rows.size(), axis.step[1], axis.step[0]));
      } else {
        kept.add(walk_axis(axis.size, axis.step[1], axis.step[0]));
      }
    });
    sum_along(kept, summed, out, run.out_grad() + first, accumulate);
  }
  ValueType to_;
};

}  // namespace

Var expand(Var x, const ValueType& to) { return x.tape().record(std::make_shared<Expand>(to), {x}); }

}  // namespace safer
