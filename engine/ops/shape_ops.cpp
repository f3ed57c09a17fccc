#include "engine/ops/shape_ops.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/strided.h"

namespace safer {
namespace {

/// An op that moves elements: neither gradient reads any value.
template <class Derived>
class Move : public OpOf<Derived> {
 public:
  bool gradient_reads_input(int, int) const override { return false; }
  bool gradient_reads_output(int) const override { return false; }
};

/// All elements of a box with `sizes` that lies in two arrays with their own steps.
Walk box(const Shape& sizes, const Steps& to, const Steps& from) {
  Walk walk;
  for (int axis = 0; axis < sizes.rank(); ++axis) walk.add(walk_axis(sizes[axis], at(to, axis), at(from, axis)));
  return walk;
}

/// y = [x0, x1, ...]
class Concat final : public Move<Concat> {
 public:
  static constexpr std::string_view op_name = "concat";
  explicit Concat(std::int64_t axis) : axis_(axis) {}

  std::string attributes() const override { return fmt::format("axis {}", axis_); }
  ValueType infer(std::span<const ValueType> in) const override {
    const int axis = in[0].shape.axis(axis_, op_name);
    if (axis == in[0].batch_axis)
      throw Error("concat: axis {} of {} is the batch axis; values are joined within samples only", axis_, text(in[0]));
    ValueType y = in[0];
    y.shape[axis] = 0;
    for (const ValueType& x : in) {
      require_reals(op_name, x);
      ValueType same = x;
      if (x.shape.rank() == y.shape.rank()) same.shape[axis] = in[0].shape[axis];
      if (same != in[0])
        throw Error("concat: {} and {} must agree in all axes but axis {}{}", text(in[0]), text(x), axis,
                    x.batched() != y.batched() ? "; expand what all samples share" : "");
      y.shape[axis] += x.shape[axis];
    }
    return y;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    std::int64_t at = 0;
    for (int i = 0; i < run.inputs(); ++i) {
      const Part part(run, i, axis_);
      copy(part.walk(part.whole, part.own), run.out() + at, run.in(i), false);
      at += part.own;
    }
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    std::int64_t at = 0;
    for (int i = 0; i < run.inputs(); ++i) {
      const Part part(run, i, axis_);
      if (run.grad(i)) copy(part.walk(part.own, part.whole), run.grad(i), run.out_grad() + at, run.accumulate(i));
      at += part.own;
    }
  }

 private:
  struct Part {
    std::int64_t outer, own, whole;  // runs, and the length of one run of the input and of the output
    template <class T>
    Part(const Run<T>& run, int i, std::int64_t which) {
      const Shape &x = run.shape(i), &y = run.out_shape();
      const int axis = x.axis(which, op_name);
      outer = x.size(0, axis);
      own = x.size(axis, x.rank());
      whole = y.size(axis, y.rank());
    }
    Walk walk(std::int64_t to, std::int64_t from) const {
      Walk walk;
      walk.add(walk_axis(outer, to, from));
      walk.add(walk_axis(own, 1, 1));
      return walk;
    }
  };
  std::int64_t axis_;
};

/// y[i] = x[begin + step i]
class Slice final : public Move<Slice> {
 public:
  static constexpr std::string_view op_name = "slice";
  Slice(std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step)
      : axis_(axis), begin_(begin), end_(end), step_(step) {}

  std::string attributes() const override { return fmt::format("axis {}, {} to {} by {}", axis_, begin_, end_, step_); }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    const int axis = in[0].shape.axis(axis_, op_name);
    if (axis == in[0].batch_axis)
      throw Error("slice: axis {} of {} is the batch axis; only axes within a sample can be cut", axis_, text(in[0]));
    if (step_ < 1) throw Error("slice: step {}, expected at least 1", step_);
    ValueType y = in[0];
    const std::int64_t size = in[0].shape[axis], first = place(begin_, size), last = place(end_, size);
    if (first >= last) throw Error("slice: nothing lies between {} and {} of axis {} of {}", begin_, end_, axis_, text(in[0]));
    y.shape[axis] = (last - first - 1) / step_ + 1;
    return y;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const Cut cut(*this, run.shape(0));
    copy(box(run.out_shape(), dense_steps(run.out_shape()), cut.steps), run.out(), run.in(0) + cut.first, false);
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    const Cut cut(*this, run.shape(0));
    if (!run.accumulate(0)) std::fill_n(run.grad(0), run.shape(0).size(), T{0});
    copy(box(run.out_shape(), cut.steps, dense_steps(run.out_shape())), run.grad(0) + cut.first, run.out_grad(), true);
  }

 private:
  static std::int64_t place(std::int64_t given, std::int64_t size) {
    return std::clamp<std::int64_t>(given < 0 ? given + size : given, 0, size);
  }
  struct Cut {
    Steps steps;
    std::int64_t first;
    Cut(const Slice& slice, const Shape& x) : steps(dense_steps(x)) {
      const int axis = x.axis(slice.axis_, op_name);
      std::int64_t& step = steps[static_cast<std::size_t>(axis)];
      first = place(slice.begin_, x[axis]) * step;
      step *= slice.step_;
    }
  };
  std::int64_t axis_, begin_, end_, step_;
};

/// y = value with x inside
class Pad final : public Move<Pad> {
 public:
  static constexpr std::string_view op_name = "pad";
  Pad(std::vector<std::int64_t> begins, std::vector<std::int64_t> ends, double value)
      : begins_(std::move(begins)), ends_(std::move(ends)), value_(value) {}

  std::string attributes() const override {
    return fmt::format("before {}, behind {}, with {}", fmt::join(begins_, ", "), fmt::join(ends_, ", "), value_);
  }
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(op_name, in[0]);
    const auto rank = static_cast<std::size_t>(in[0].shape.rank());
    if (begins_.size() != rank || ends_.size() != rank)
      throw Error("pad: {} sizes before and {} behind for {}, expected {} of each", begins_.size(), ends_.size(), text(in[0]),
                  rank);
    ValueType y = in[0];
    for (std::size_t axis = 0; axis < rank; ++axis) {
      if (begins_[axis] < 0 || ends_[axis] < 0)
        throw Error("pad: {} before and {} behind axis {}, expected no negative size; slice cuts", begins_[axis], ends_[axis],
                    axis);
      if (static_cast<int>(axis) == y.batch_axis && (begins_[axis] > 0 || ends_[axis] > 0))
        throw Error("pad: axis {} of {} is the batch axis, which cannot be padded", axis, text(in[0]));
      y.shape[static_cast<int>(axis)] += begins_[axis] + ends_[axis];
    }
    return y;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const Steps inside = dense_steps(run.out_shape());
    std::fill_n(run.out(), run.out_shape().size(), static_cast<T>(value_));
    copy(box(run.shape(0), inside, dense_steps(run.shape(0))), run.out() + first(inside), run.in(0), false);
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    const Steps inside = dense_steps(run.out_shape());
    copy(box(run.shape(0), dense_steps(run.shape(0)), inside), run.grad(0), run.out_grad() + first(inside), run.accumulate(0));
  }

 private:
  std::int64_t first(const Steps& steps) const {
    std::int64_t at = 0;
    for (std::size_t axis = 0; axis < begins_.size(); ++axis) at += begins_[axis] * steps[axis];
    return at;
  }
  std::vector<std::int64_t> begins_, ends_;
  double value_;
};

/// y = x with other axes
class Reshape final : public Move<Reshape> {
 public:
  static constexpr std::string_view op_name = "reshape";
  Reshape(const Shape& sample, int batch_axis) : sample_(sample), batch_axis_(batch_axis) {}

  std::string attributes() const override { return fmt::format("to {}", sample_); }
  ValueType infer(std::span<const ValueType> in) const override {
    const ValueType& x = in[0];
    require_reals(op_name, x);
    if (x.shape.size() != sample_.size())
      throw Error("reshape: {} has {} elements a sample, but {} has {}", text(x), x.shape.size(), sample_, sample_.size());
    if (!x.batched()) return {sample_, -1, x.type};
    const std::int64_t before = x.shape.size(0, x.batch_axis);
    const auto fits = [&](int axis) { return axis >= 0 && axis < sample_.rank() && sample_.size(0, axis) == before; };
    int axis = batch_axis_ >= 0 ? batch_axis_ : x.batch_axis;
    if (batch_axis_ < 0 && !(fits(axis) && sample_[axis] == x.shape[axis]))
      for (axis = 0; axis < sample_.rank() && !fits(axis);) ++axis;
    if (!fits(axis))
      throw Error("reshape: {} to {}{}: the batch axis must come behind axes of {} elements in all", text(x), sample_,
                  batch_axis_ >= 0 ? fmt::format(" with batch axis {}", batch_axis_) : "", before);
    return {sample_, axis, x.type};
  }
  bool in_place(int) const override { return true; }
  bool gradient_in_place(int) const override { return true; }
  bool is_view() const override { return true; }

  template <class T>
  void compute(const Run<T>& run) const {
    if (run.out() != run.in(0)) std::copy_n(run.in(0), run.out_shape().size(), run.out());
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    if (run.grad(0) != run.out_grad())
      run.kernels().axpy(run.grad(0), T{1}, run.out_grad(), run.out_shape().size(), run.accumulate(0));
  }

 private:
  Shape sample_;
  int batch_axis_;
};

/// y[..., i of axis permutation[k], ...] = x[...]
class Transpose final : public Move<Transpose> {
 public:
  static constexpr std::string_view op_name = "transpose";
  explicit Transpose(std::vector<std::int64_t> permutation) : permutation_(std::move(permutation)) {}

  std::string attributes() const override { return fmt::format("axes {}", fmt::join(permutation_, ", ")); }
  ValueType infer(std::span<const ValueType> in) const override {
    const ValueType& x = in[0];
    require_reals(op_name, x);
    std::array<bool, Shape::max_rank> named{};
    ValueType y{Shape{}, -1, x.type};
    for (const std::int64_t given : permutation_) {
      const int axis = x.shape.axis(given, op_name);
      if (std::exchange(named[static_cast<std::size_t>(axis)], true)) wrong(x);
      if (axis == x.batch_axis) y.batch_axis = y.shape.rank();
      y.shape.push_back(x.shape[axis]);
    }
    if (y.shape.rank() != x.shape.rank()) wrong(x);
    return y;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const Steps to = dense_steps(run.out_shape()), from = permuted(dense_steps(run.shape(0)));
    copy(box(run.out_shape(), to, from), run.out(), run.in(0), false);
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    Steps from{};
    const Steps y = dense_steps(run.out_shape());
    for (std::size_t axis = 0; axis < permutation_.size(); ++axis) from[source(axis)] = y[axis];
    copy(box(run.shape(0), dense_steps(run.shape(0)), from), run.grad(0), run.out_grad(), run.accumulate(0));
  }

 private:
  [[noreturn]] void wrong(const ValueType& x) const {
    throw Error("transpose: axes {} do not name each axis of {} once", fmt::join(permutation_, ", "), text(x));
  }
  std::size_t source(std::size_t axis) const {
    const std::int64_t given = permutation_[axis];
    return static_cast<std::size_t>(given < 0 ? given + static_cast<std::int64_t>(permutation_.size()) : given);
  }
  Steps permuted(const Steps& x) const {
    Steps steps{};
    for (std::size_t axis = 0; axis < permutation_.size(); ++axis) steps[axis] = x[source(axis)];
    return steps;
  }
  std::vector<std::int64_t> permutation_;
};

}  // namespace

Var concat(std::span<const Var> values, std::int64_t axis) {
  if (values.empty()) throw Error("concat: no values given, expected at least one");
  return values[0].tape().record(std::make_shared<Concat>(axis), values);
}
Var slice(Var x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  return x.tape().record(std::make_shared<Slice>(axis, begin, end, step), {x});
}
Var pad(Var x, std::vector<std::int64_t> begins, std::vector<std::int64_t> ends, double value) {
  return x.tape().record(std::make_shared<Pad>(std::move(begins), std::move(ends), value), {x});
}
Var reshape(Var x, const Shape& sample, int batch_axis) {
  return x.tape().record(std::make_shared<Reshape>(sample, batch_axis), {x});
}
Var flatten(Var x, std::int64_t first) {
  const int axis = x.shape().axis(first, "flatten");
  Shape sample;
  for (int k = 0; k < axis; ++k) sample.push_back(x.shape()[k]);
  sample.push_back(x.shape().size(axis, x.shape().rank()));
  return reshape(x, sample);
}
Var transpose(Var x, std::vector<std::int64_t> permutation) {
  return x.tape().record(std::make_shared<Transpose>(std::move(permutation)), {x});
}
Var channel_shuffle(Var x, std::int64_t groups) {
  const Shape& sample = x.shape();
  if (sample.rank() < 2 || x.type().batch_axis > 0)
    throw Error("channel_shuffle: x is {}, expected [N, channels, ...] with the batch first", text(x.type()));
  if (groups < 1 || sample[1] % groups != 0)
    throw Error("channel_shuffle: {} groups of the {} channels of {}; expected a divisor", groups, sample[1], text(x.type()));
  const Shape whole = sample;  // recording moves the nodes
  const Shape split{whole[0], groups, whole[1] / groups, whole.size(2, whole.rank())};
  return reshape(transpose(reshape(x, split), {0, 2, 1, 3}), whole);
}

}  // namespace safer
