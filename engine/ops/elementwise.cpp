#include "engine/ops/elementwise.h"

#include <algorithm>

#include "engine/ops/broadcast.h"

namespace safer {
namespace {

using kernels::Binary;

template <Binary kind>
class BinaryElementwise final : public OpOf<BinaryElementwise<kind>> {
 public:
  static constexpr std::string_view op_name = kernels::binary_names[static_cast<std::size_t>(kind)];

  ValueType infer(std::span<const ValueType> in) const override { return broadcast(op_name, in[0], in[1]); }
  bool gradient_reads_input(int wanted, int input) const override {
    if (kind == Binary::mul) return wanted != input;
    return kind == Binary::div && (input == 1 || wanted == 1);
  }
  bool gradient_reads_output(int) const override { return false; }
  bool in_place(int) const override { return true; }
  bool gradient_in_place(int) const override { return true; }
  bool is_sum() const override { return kind == Binary::add; }
  std::int64_t multiply_adds(std::span<const Shape>, const Shape& out) const override { return out.size(); }

  template <class T>
  void compute(const Run<T>& run) const {
    const auto kernel = run.kernels().binary[static_cast<std::size_t>(kind)];
    const Shape& out = run.out_shape();
    if (run.shape(0) == run.shape(1)) {
      in_blocks(out.size(), [&](std::int64_t first, std::int64_t n) {
        kernel(run.out() + first, run.in(0) + first, 1, run.in(1) + first, 1, n, T{1}, false);
      });
      return;
    }
    const auto own_a = broadcast_steps(run.shape(0), out), own_b = broadcast_steps(run.shape(1), out);
    const auto own_y = broadcast_steps(out, out);
    Nest<3> nest;
    for (std::size_t axis = 0; axis < static_cast<std::size_t>(out.rank()); ++axis)
      nest.add({out[static_cast<int>(axis)], {own_y[axis], own_a[axis], own_b[axis]}});
    const auto row = nest.inner();
    nest.each_parallel(nest.count() - 1, nest.size(), {}, [&](const auto& at) {
      kernel(run.out() + at[0], run.in(0) + at[1], row.step[1], run.in(1) + at[2], row.step[2], row.size, T{1}, false);
    });
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    for (int input = 0; input < 2; ++input) {
      if (!run.grad(input)) continue;
      if (run.shape(0) == run.shape(1))
        in_blocks(run.out_shape().size(), [&](std::int64_t first, std::int64_t n) {
          const std::int64_t steps[] = {1, 1};
          gradient(run.kernels(), input, run.grad(input) + first, run.out_grad() + first, run.in(0) + first, run.in(1) + first,
                   steps, n, run.accumulate(input));
        });
      else
        gradient_of_box(run, input, run.out_shape(), {}, run.grad(input), run.accumulate(input));
    }
  }

  template <class T>
  void differentiate_shared(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    Shape box = run.out_shape(), first;
    for (int axis = 0; axis < box.rank(); ++axis) first.push_back(0);
    const std::int64_t per_sample = box[run.batch_axis()] / run.batch();
    first[run.batch_axis()] = samples.begin * per_sample;
    box[run.batch_axis()] = samples.size() * per_sample;
    const Shape& own = run.shape(input);
    if (own.rank() > 0 && own[0] != 1) {
      first[box.rank() - own.rank()] = rows.begin;
      box[box.rank() - own.rank()] = rows.size();
    }
    gradient_of_box(run, input, box, first, out, accumulate);
  }

 private:
  /// Columns summed at a time, and elements of a row.
  static constexpr std::int64_t block = 128;
  /// What the loops of a gradient walk through.
  enum Array { to, dy, a, b };

  template <class F>
  static void in_blocks(std::int64_t n, const F& f) {
    constexpr std::int64_t size = 1 << 14;
    parallel_for((n + size - 1) / size, n, [&](std::int64_t i) { f(i * size, std::min(size, n - i * size)); });
  }

  /// The gradient of this input is that of the output, before any of it is summed.
  static constexpr bool passes_through(int input) { return kind == Binary::add || (kind == Binary::sub && input == 0); }

  /// dx (+)= the gradient of n elements of `input` before any of them are summed. a, b move on by steps[0], steps[1].
  template <class T>
  static void gradient(const kernels::KernelTable<T>& table, int input, T* dx, const T* dy, const T* a, const T* b,
                       const std::int64_t* steps, std::int64_t n, bool accumulate) {
    const auto times = table.binary[static_cast<std::size_t>(Binary::mul)],
               over = table.binary[static_cast<std::size_t>(Binary::div)];
    if constexpr (kind == Binary::add || kind == Binary::sub) {
      if (dx != dy || !passes_through(input) || accumulate) table.axpy(dx, passes_through(input) ? T{1} : T{-1}, dy, n, accumulate);
    } else if constexpr (kind == Binary::mul) {
      times(dx, dy, 1, input == 0 ? b : a, steps[1 - input], n, T{1}, accumulate);
    } else if (input == 0) {
      over(dx, dy, 1, b, steps[1], n, T{1}, accumulate);
    } else {
      T terms[block];
      for (std::int64_t i = 0; i < n; i += block) {
        const std::int64_t m = std::min(block, n - i);
        times(terms, dy + i, 1, a + i * steps[0], steps[0], m, T{1}, false);
        over(terms, terms, 1, b + i * steps[1], steps[1], m, T{1}, false);
        over(dx + i, terms, 1, b + i * steps[1], steps[1], m, T{-1}, accumulate);
      }
    }
  }

  /// The loops of a gradient: those along which the input's elements differ, and those along which they are summed.
  struct Loops {
    Nest<4> kept, summed;
    Nest<4>::Offsets start = {};
  };
  template <class T>
  static Loops loops(const Run<T>& run, int input, const Shape& box, const Shape& first) {
    const Shape& out = run.out_shape();
    const auto own = broadcast_steps(run.shape(input), out), y = broadcast_steps(out, out);
    const auto step_a = broadcast_steps(run.shape(0), out), step_b = broadcast_steps(run.shape(1), out);
    constexpr bool reads = kind == Binary::mul || kind == Binary::div;
    Loops found;
    for (int axis = 0; axis < out.rank(); ++axis) {
      const auto at = static_cast<std::size_t>(axis);
      const Nest<4>::Offsets step = {own[at], y[at], reads ? step_a[at] : 0, reads ? step_b[at] : 0};
      (own[at] != 0 ? found.kept : found.summed).add({box[axis], step});
      if (first.rank() > 0) Nest<4>::advance(found.start, step, first[axis]);
    }
    found.start[to] = 0;
    return found;
  }

  /// The gradient of `input` summed over the part of the output that starts at `first` (empty: all zero) and has the sizes `box`.
  template <class T>
  static void gradient_of_box(const Run<T>& run, int input, const Shape& box, const Shape& first, T* out, bool accumulate) {
    const Loops walk = loops(run, input, box, first);
    const auto row = walk.kept.inner();
    const bool side_by_side = row.step[dy] == 1;
    if (walk.summed.count() == 0 && (side_by_side || walk.kept.count() == 0)) {
      walk.kept.each_parallel(walk.kept.count() - 1, box.size(), walk.start, [&](const auto& at) {
        gradient(run.kernels(), input, out + at[to], run.out_grad() + at[dy], run.in(0) + at[a], run.in(1) + at[b], &row.step[a],
                 row.size, accumulate);
      });
    } else if (side_by_side) {
      sum_columns(run, input, walk, out, accumulate);
    } else {
      sum_rows(run, input, walk, out, accumulate);
    }
  }

  /// One element after the other; where its terms lie side by side, many at a time.
  template <class T>
  static void sum_rows(const Run<T>& run, int input, const Loops& walk, T* out, bool accumulate) {
    const auto inner = walk.summed.inner();
    const bool dense = inner.step[dy] == 1;
    const auto row = dense ? inner : Nest<4>::Axis{};
    const int outer = walk.summed.count() - (dense ? 1 : 0);
    walk.kept.each_parallel(walk.kept.count(), walk.kept.size() * walk.summed.size(), walk.start, [&](const auto& element) {
      T terms[block];
      double total = 0;
      walk.summed.each(0, outer, element, [&](auto at) {
        for (std::int64_t i = 0; i < row.size; i += block, Nest<4>::advance(at, row.step, block)) {
          const std::int64_t n = std::min(block, row.size - i);
          gradient(run.kernels(), input, terms, run.out_grad() + at[dy], run.in(0) + at[a], run.in(1) + at[b], &row.step[a], n,
                   false);
          total += double{run.kernels().sum(terms, n)};
        }
      });
      T& target = out[element[to]];
      target = static_cast<T>(accumulate ? double{target} + total : total);
    });
  }

  /// Elements whose neighbours' terms lie side by side: whole rows are added up.
  template <class T>
  static void sum_columns(const Run<T>& run, int input, const Loops& walk, T* out, bool accumulate) {
    const auto row = walk.kept.inner();
    const auto add_up = run.kernels().fold[static_cast<std::size_t>(kernels::Fold::sum)];
    const auto strip = [&](auto start, std::int64_t n) {
      double totals[block] = {};
      T terms[block];
      walk.summed.each(0, walk.summed.count(), start, [&](const auto& at) {
        if (passes_through(input)) return add_up(totals, run.out_grad() + at[dy], n);
        gradient(run.kernels(), input, terms, run.out_grad() + at[dy], run.in(0) + at[a], run.in(1) + at[b], &row.step[a], n,
                 false);
        add_up(totals, terms, n);
      });
      for (std::int64_t i = 0; i < n; ++i) {
        T& target = out[start[to] + i];
        target = static_cast<T>(accumulate ? double{target} + totals[i] : totals[i]);
      }
    };
    const std::int64_t work = walk.kept.size() * walk.summed.size();
    walk.kept.each_parallel(walk.kept.count() - 1, work, walk.start, [&](const auto& at) {
      parallel_for((row.size + block - 1) / block, work, [&](std::int64_t i) {
        auto start = at;
        Nest<4>::advance(start, row.step, i * block);
        strip(start, std::min(block, row.size - i * block));
      });
    });
  }
};

template <Binary kind>
Var record(Var a, Var b, std::string_view name) {
  // One op for all: it has no attributes.
  static const auto op = std::make_shared<const BinaryElementwise<kind>>();
  return a.tape().record(op, {a, b}, name);
}

}  // namespace

Var add(Var a, Var b, std::string_view name) { return record<Binary::add>(a, b, name); }
Var sub(Var a, Var b, std::string_view name) { return record<Binary::sub>(a, b, name); }
Var mul(Var a, Var b, std::string_view name) { return record<Binary::mul>(a, b, name); }
Var div(Var a, Var b, std::string_view name) { return record<Binary::div>(a, b, name); }

Var scalar(Tape& tape, double value) {
  return tape.constant("scalar", Tensor::of<double>(Shape{}, std::span<const double>(&value, 1)));
}

}  // namespace safer
