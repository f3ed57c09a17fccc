#include "engine/ops/reduce.h"

#include <fmt/ranges.h>

#include <cmath>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/strided.h"

namespace safer {
namespace {

/// Which axes to reduce, and the walks over x and y that follow from it. In all of them y is `to` and x is `from`.
class Reduction {
 public:
  Reduction(std::vector<std::int64_t> axes, bool keep_axes) : axes_(std::move(axes)), keep_axes_(keep_axes) {}

  std::string text() const { return fmt::format("axes {}{}", fmt::join(axes_, ", "), keep_axes_ ? ", kept" : ""); }
  ValueType infer(std::string_view op, const ValueType& x) const;
  std::array<bool, Shape::max_rank> reduced(const Shape& x, std::string_view op = "reduction") const;
  /// Elements of x that make one of y.
  std::int64_t count(const Shape& x) const;

  struct Walks {
    Walk kept, reduced;  // y's elements, and for each of them those of x
    Walk spread;         // all elements of x in order, with theirs of y
  };
  Walks walks(const Shape& x) const;
  /// Sets `axes` where the reduced axes are neighbours, which the kernels expect.
  bool as_one(const Shape& x, kernels::Axes& axes) const;

 private:
  std::vector<std::int64_t> axes_;
  bool keep_axes_;
};

std::array<bool, Shape::max_rank> Reduction::reduced(const Shape& x, std::string_view op) const {
  std::array<bool, Shape::max_rank> reduced{};
  for (const std::int64_t axis : axes_) {
    bool& flag = reduced[static_cast<std::size_t>(x.axis(axis, op))];
    if (flag) throw Error("{}: axis {} of {} is named twice", op, axis, x);
    flag = true;
  }
  return reduced;
}

ValueType Reduction::infer(std::string_view op, const ValueType& x) const {
  require_reals(op, x);
  if (axes_.empty()) throw Error("{}: no axes of {} are named; list those to reduce", op, safer::text(x));
  const auto flags = reduced(x.shape, op);
  ValueType y{Shape{}, -1, x.type};
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    const bool gone = flags[static_cast<std::size_t>(axis)];
    if (axis == x.batch_axis && !gone) y.batch_axis = y.shape.rank();
    if (axis == x.batch_axis && gone && x.shape[axis] != 1)
      throw Error(
          "{}: axis {} of {} is the batch axis, and each sample owns {} of its rows; reshape to a batch axis of samples alone", op,
          axis, safer::text(x), x.shape[axis]);
    if (!gone || keep_axes_) y.shape.push_back(gone ? 1 : x.shape[axis]);
  }
  return y;
}

std::int64_t Reduction::count(const Shape& x) const {
  const auto flags = reduced(x);
  std::int64_t count = 1;
  for (int axis = 0; axis < x.rank(); ++axis) count *= flags[static_cast<std::size_t>(axis)] ? x[axis] : 1;
  return count;
}

Reduction::Walks Reduction::walks(const Shape& x) const {
  const auto flags = reduced(x);
  const Steps from = dense_steps(x);
  Steps to{};
  std::int64_t step = 1;
  for (int axis = x.rank() - 1; axis >= 0; --axis)
    if (!flags[static_cast<std::size_t>(axis)]) {
      to[static_cast<std::size_t>(axis)] = step;
      step *= x[axis];
    }
  Walks walks;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const Walk::Axis both = walk_axis(x[axis], at(to, axis), at(from, axis));
    (flags[static_cast<std::size_t>(axis)] ? walks.reduced : walks.kept).add(both);
    walks.spread.add(walk_axis(x[axis], both.step[1], both.step[0]));
  }
  return walks;
}

bool Reduction::as_one(const Shape& x, kernels::Axes& axes) const {
  const auto flags = reduced(x);
  const auto begin = flags.begin(), end = begin + x.rank();
  const auto first = std::find(begin, end, true), last = std::find(first, end, false);
  if (std::find(last, end, true) != end) return false;
  const int from = static_cast<int>(first - begin), to = static_cast<int>(last - begin);
  axes = {x.size(0, from), x.size(from, to), x.size(to, x.rank())};
  return true;
}

/// y = alpha sum(x), alpha = 1 or 1 / count,  dx += alpha dy
template <bool average>
class Sum final : public OpOf<Sum<average>> {
 public:
  static constexpr std::string_view op_name = average ? "mean" : "sum";
  Sum(Reduction reduction, bool over_samples) : reduction_(std::move(reduction)), over_samples_(over_samples) {}

  std::string attributes() const override { return reduction_.text(); }
  ValueType infer(std::span<const ValueType> in) const override { return reduction_.infer(op_name, in[0]); }
  bool gradient_reads_input(int, int) const override { return false; }
  bool gradient_reads_output(int) const override { return false; }
  bool mixes_samples(Mode) const override { return over_samples_; }

  template <class T>
  void compute(const Run<T>& run) const {
    const T alpha = scale<T>(run.shape(0));
    kernels::Axes axes;
    // Sums over samples, and over axes that are not neighbours, are formed in double.
    if (over_samples_ || !reduction_.as_one(run.shape(0), axes)) {
      const Reduction::Walks walks = reduction_.walks(run.shape(0));
      sum_along(walks.kept, walks.reduced, run.out(), run.in(0), false, alpha);
      return;
    }
    parallel_blocks(axes.outer, axes.n * axes.inner, [&](std::int64_t first, std::int64_t count) {
      run.kernels().reduce_sum(run.out() + first * axes.inner, run.in(0) + first * axes.n * axes.inner, {count, axes.n, axes.inner},
                               alpha, false);
    });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    copy(reduction_.walks(run.shape(0)).spread, run.grad(0), run.out_grad(), run.accumulate(0), scale<T>(run.shape(0)));
  }

 private:
  template <class T>
  T scale(const Shape& x) const {
    return average ? static_cast<T>(1.0 / static_cast<double>(reduction_.count(x))) : T{1};
  }
  Reduction reduction_;
  bool over_samples_;
};

/// y = max(x);  dx += dy at the first x that equals y
class Max final : public OpOf<Max> {
 public:
  static constexpr std::string_view op_name = "max";
  explicit Max(Reduction reduction) : reduction_(std::move(reduction)) {}

  std::string attributes() const override { return reduction_.text(); }
  ValueType infer(std::span<const ValueType> in) const override {
    const ValueType y = reduction_.infer(op_name, in[0]);
    if (in[0].batched() && !y.batched())
      throw Error("max: axis {} of {} is the batch axis; only sum and mean reduce over samples", in[0].batch_axis, text(in[0]));
    if (reduction_.count(in[0].shape) == 0) throw Error("max: {} has no elements along {}", text(in[0]), reduction_.text());
    return y;
  }
  bool gradient_reads_output(int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    kernels::Axes axes;
    if (!reduction_.as_one(run.shape(0), axes)) {
      each_first(run, [&](std::int64_t y, std::int64_t x) { run.out()[y] = run.in(0)[x]; });
      return;
    }
    parallel_blocks(axes.outer, axes.n * axes.inner, [&](std::int64_t first, std::int64_t count) {
      run.kernels().reduce_max(run.out() + first * axes.inner, run.in(0) + first * axes.n * axes.inner,
                               {count, axes.n, axes.inner});
    });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    if (!run.accumulate(0)) std::fill_n(run.grad(0), run.shape(0).size(), T{0});
    each_first(run, [&](std::int64_t y, std::int64_t x) { run.grad(0)[x] += run.out_grad()[y]; });
  }

 private:
  /// f(place in y, place in x) of each maximum's first occurrence; a NaN counts as the greatest.
  template <class T, class F>
  void each_first(const Run<T>& run, const F& f) const {
    const Reduction::Walks walks = reduction_.walks(run.shape(0));
    walks.kept.each_parallel(walks.kept.count(), run.shape(0).size(), {}, [&](const auto& start) {
      std::int64_t best = start[1];
      walks.reduced.each(0, walks.reduced.count(), start, [&](const auto& at) {
        const T value = run.in(0)[at[1]], greatest = run.in(0)[best];
        if (value > greatest || (std::isnan(value) && !std::isnan(greatest))) best = at[1];
      });
      f(start[0], best);
    });
  }
  Reduction reduction_;
};

template <bool average>
Var record_sum(Var x, std::vector<std::int64_t> axes, bool keep_axes) {
  const ValueType& type = x.type();
  const bool over_samples = type.batched() && std::ranges::any_of(axes, [&](std::int64_t axis) {
                              return axis == type.batch_axis || axis + type.shape.rank() == type.batch_axis;
                            });
  return x.tape().record(std::make_shared<Sum<average>>(Reduction(std::move(axes), keep_axes), over_samples), {x});
}

}  // namespace

Var sum(Var x, std::vector<std::int64_t> axes, bool keep_axes) { return record_sum<false>(x, std::move(axes), keep_axes); }
Var mean(Var x, std::vector<std::int64_t> axes, bool keep_axes) { return record_sum<true>(x, std::move(axes), keep_axes); }
Var max(Var x, std::vector<std::int64_t> axes, bool keep_axes) {
  return x.tape().record(std::make_shared<Max>(Reduction(std::move(axes), keep_axes)), {x});
}

}  // namespace safer
