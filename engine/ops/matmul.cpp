#include "engine/ops/matmul.h"

#include <memory>

#include "engine/error.h"
#include "engine/ops/broadcast.h"
#include "engine/ops/checks.h"
#include "engine/ops/linear.h"

namespace safer {
namespace {

/// c = a b for each place on the leading axes; da = dc b^T, db = a^T dc, summed over the axes along which a or b repeats.
class Matmul final : public OpOf<Matmul> {
 public:
  static constexpr std::string_view op_name = "matmul";
  explicit Matmul(MatmulOptions options) : options_(options) {}

  std::string attributes() const override {
    return options_.transpose_a   ? options_.transpose_b ? "both transposed" : "a transposed"
           : options_.transpose_b ? "b transposed"
                                  : "";
  }
  ValueType infer(std::span<const ValueType> in) const override {
    for (const ValueType& type : in) require_reals(op_name, type);
    const ValueType leading = broadcast("matmul: axes before the last two", leading_axes(in[0]), leading_axes(in[1]));
    const Sizes sizes = sizes_of(in[0].shape, in[1].shape);
    if (sizes.k != inner_of_b(in[1].shape))
      throw Error("matmul: a is {}{}, b is {}{}; the inner sizes {} and {} must match", text(in[0]),
                  options_.transpose_a ? " transposed" : "", text(in[1]), options_.transpose_b ? " transposed" : "", sizes.k,
                  inner_of_b(in[1].shape));
    ValueType result = leading;
    result.shape.push_back(sizes.m);
    result.shape.push_back(sizes.n);
    return result;
  }
  bool gradient_reads_input(int wanted, int input) const override { return wanted != input; }
  bool gradient_reads_output(int) const override { return false; }
  std::int64_t multiply_adds(std::span<const Shape> in, const Shape& out) const override {
    return out.size() * sizes_of(in[0], in[1]).k;
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const Sizes s = sizes_of(run.shape(0), run.shape(1));
    const Nest<4> nest = loops(run, 0, run.out_shape(), {}).all;
    nest.each_parallel(nest.count(), run.out_shape().size() * s.k, {}, [&](const auto& at) {
      kernels::Gemm<T> gemm{.m = s.m, .n = s.n, .k = s.k, .a = run.in(0) + at[a], .b = run.in(1) + at[b], .c = run.out() + at[c]};
      gemm.a_row = a_strides(s).row, gemm.a_col = a_strides(s).col;
      gemm.b_row = b_strides(s).row, gemm.b_col = b_strides(s).col;
      gemm.c_row = s.n;
      run.kernels().gemm(gemm);
    });
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    for (int input = 0; input < 2; ++input)
      if (T* gradient = run.grad(input)) {
        const Shape& own = run.shape(input);
        sum_products(run, input, loops(run, input, run.out_shape(), {}), {0, own[own.rank() - 2]}, gradient, run.accumulate(input));
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
    if (own.rank() == 2) return sum_products(run, input, loops(run, input, box, first), rows, out, accumulate);
    if (own[0] != 1) {
      first[box.rank() - own.rank()] = rows.begin;
      box[box.rank() - own.rank()] = rows.size();
    }
    sum_products(run, input, loops(run, input, box, first), {0, own[own.rank() - 2]}, out, accumulate);
  }

 private:
  enum Array { to, a, b, c };
  struct Sizes {
    std::int64_t m, n, k;
  };
  struct Strides {
    std::int64_t row, col;
  };
  /// Of a read as [m, k] and b read as [k, n].
  Strides a_strides(const Sizes& s) const { return options_.transpose_a ? Strides{1, s.m} : Strides{s.k, 1}; }
  Strides b_strides(const Sizes& s) const { return options_.transpose_b ? Strides{1, s.k} : Strides{s.n, 1}; }
  Sizes sizes_of(const Shape& x, const Shape& y) const {
    return {x[x.rank() - (options_.transpose_a ? 1 : 2)], y[y.rank() - (options_.transpose_b ? 2 : 1)],
            x[x.rank() - (options_.transpose_a ? 2 : 1)]};
  }
  std::int64_t inner_of_b(const Shape& y) const { return y[y.rank() - (options_.transpose_b ? 1 : 2)]; }

  static ValueType leading_axes(const ValueType& type) {
    const int leading = type.shape.rank() - 2;
    if (leading < 0) throw Error("matmul: an operand is {}, expected a matrix or a stack of them", text(type));
    if (type.batch_axis >= leading)
      throw Error("matmul: the batch axis of {} is one of the matrix; only the axes before the last two can be it", text(type));
    return {Shape(std::span(type.shape.begin(), static_cast<std::size_t>(leading))), type.batch_axis, type.type};
  }

  /// The loops over leading axes: those along which matrices of one input differ, and those along which their gradients add up.
  struct Loops {
    Nest<4> kept, summed, all;
    Nest<4>::Offsets start = {};
  };
  template <class T>
  static Loops loops(const Run<T>& run, int input, const Shape& box, const Shape& first) {
    const Shape& out = run.out_shape();
    const auto leading = [](const Shape& shape) {
      return Shape(std::span(shape.begin(), static_cast<std::size_t>(shape.rank() - 2)));
    };
    const auto matrix = [](const Shape& shape) { return shape.size(shape.rank() - 2, shape.rank()); };
    const Shape whole = leading(out);
    const auto step_a = broadcast_steps(leading(run.shape(0)), whole), step_b = broadcast_steps(leading(run.shape(1)), whole);
    const auto step_c = broadcast_steps(whole, whole);
    const auto& own = input == 0 ? step_a : step_b;
    Loops found;
    for (int axis = 0; axis < whole.rank(); ++axis) {
      const auto at = static_cast<std::size_t>(axis);
      const Nest<4>::Offsets step = {own[at] * matrix(run.shape(input)), step_a[at] * matrix(run.shape(0)),
                                     step_b[at] * matrix(run.shape(1)), step_c[at] * matrix(out)};
      (own[at] != 0 ? found.kept : found.summed).add({box[axis], step});
      found.all.add({box[axis], step});
      if (first.rank() > 0) Nest<4>::advance(found.start, step, first[axis]);
    }
    found.start[to] = 0;
    return found;
  }

  /// One product that makes up the gradient of `input`, without its pointers; `dc_first`: dc is its left factor.
  template <class T>
  struct Product {
    kernels::Gemm<T> gemm;
    bool dc_first;
  };
  template <class T>
  Product<T> product(int input, const Sizes& s) const {
    const Strides A = a_strides(s), B = b_strides(s);
    if (input == 0 && !options_.transpose_a)  // dc b^T
      return {{.n = s.k, .k = s.n, .a_row = s.n, .a_col = 1, .b_row = B.col, .b_col = B.row}, true};
    if (input == 0)  // b dc^T
      return {{.n = s.m, .k = s.n, .a_row = B.row, .a_col = B.col, .b_row = 1, .b_col = s.n}, false};
    if (!options_.transpose_b)  // a^T dc
      return {{.n = s.n, .k = s.m, .a_row = A.col, .a_col = A.row, .b_row = s.n, .b_col = 1}, false};
    return {{.n = s.k, .k = s.m, .a_row = 1, .a_col = s.n, .b_row = A.row, .b_col = A.col}, true};  // dc^T a
  }

  /// gradient (+)= rows of the products that make up the gradient of `input`, added up.
  template <class T>
  void sum_products(const Run<T>& run, int input, const Loops& walk, Range rows, T* gradient, bool accumulate) const {
    const Sizes s = sizes_of(run.shape(0), run.shape(1));
    const Product<T> one = product<T>(input, s);
    const std::int64_t work = walk.kept.size() * walk.summed.size() * s.m * s.n * s.k;
    walk.kept.each_parallel(walk.kept.count(), work, walk.start, [&](const auto& place) {
      kernels::Gemm<T> gemm = one.gemm;
      gemm.m = rows.size();
      gemm.c = gradient + place[to];
      gemm.c_row = gemm.n;
      gemm.accumulate = accumulate;
      walk.summed.each(0, walk.summed.count(), place, [&](const auto& at) {
        const T *dc = run.out_grad() + at[c], *other = input == 0 ? run.in(1) + at[b] : run.in(0) + at[a];
        gemm.a = (one.dc_first ? dc : other) + rows.begin * gemm.a_row;
        gemm.b = one.dc_first ? other : dc;
        run.kernels().gemm(gemm);
        gemm.accumulate = true;
      });
    });
  }

  MatmulOptions options_;
};

}  // namespace

Var matmul(Var a, Var b, MatmulOptions options, std::string_view name) {
  if (!b.type().batched() && b.shape().rank() == 2 && !options.transpose_a)
    return linear(a, b, {}, name, options.transpose_b ? WeightLayout::out_in : WeightLayout::in_out);
  return a.tape().record(std::make_shared<const Matmul>(options), {a, b}, name);
}

}  // namespace safer
