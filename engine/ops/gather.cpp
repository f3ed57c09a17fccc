#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// With x: [outer, size, inner] and M indices j:  y[o, m, :] = x[o, j[m], :],  dx[o, j[m], :] += dy[o, m, :]
class Gather final : public OpOf<Gather> {
 public:
  static constexpr std::string_view op_name = "gather";
  explicit Gather(std::int64_t axis) : axis_(axis) {}

  std::string attributes() const override { return fmt::format("axis {}", axis_); }
  ValueType infer(std::span<const ValueType> in) const override;
  bool gradient_reads_input(int, int input) const override { return input == 1; }
  bool gradient_reads_output(int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    const Sizes n(run, axis_);
    const std::int64_t* index = run.index(1);
    const std::int64_t* wrong = std::find_if(index, index + n.indices, [&](std::int64_t j) { return j < 0 || j >= n.size; });
    if (wrong != index + n.indices)
      throw Error("gather: index {} at place {} is not in 0..{}, the places along axis {} of {}", *wrong, wrong - index, n.size - 1,
                  axis_, run.shape(0));
    parallel_blocks(n.outer * n.indices, n.inner, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t k = first; k < first + count; ++k) {
        const T* from = run.in(0) + (k / n.indices * n.size + index[k % n.indices]) * n.inner;
        std::copy_n(from, n.inner, run.out() + k * n.inner);
      }
    });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    const Sizes n(run, axis_);
    if (!run.accumulate(0)) std::fill_n(run.grad(0), run.shape(0).size(), T{0});
    parallel_for(n.outer, run.out_shape().size(), [&](std::int64_t o) {
      T* to = run.grad(0) + o * n.size * n.inner;
      for (std::int64_t m = 0; m < n.indices; ++m)
        add(run, to + run.index(1)[m] * n.inner, run.out_grad() + (o * n.indices + m) * n.inner, n.inner);
    });
  }
  template <class T>
  void differentiate_shared(const Run<T>& run, int, Range samples, Range rows, T* out, bool accumulate) const {
    const Sizes n(run, axis_);
    if (rows.size() == 0) return;
    // Rows are places in the table when it is read along its leading axis, else a part of `outer`.
    const bool leading = n.axis == 0;
    const std::int64_t per_row = leading ? 1 : n.outer / run.shape(0)[0];
    const Range outer = leading ? Range{0, 1} : Range{rows.begin * per_row, rows.end * per_row};
    const Range places = leading ? rows : Range{0, n.size};
    if (!accumulate) std::fill_n(out, outer.size() * places.size() * n.inner, T{0});
    if (n.indices == 0) return;

    // The samples' indices: [before, N, own].
    const int batch_axis = run.batch_axis() - n.axis;
    const std::int64_t before = run.shape(1).size(0, batch_axis), own = n.indices / before / run.batch();
    for (std::int64_t o = outer.begin; o < outer.end; ++o)
      for (std::int64_t b = 0; b < before; ++b)
        for (std::int64_t m = (b * run.batch() + samples.begin) * own; m < (b * run.batch() + samples.end) * own; ++m) {
          const std::int64_t place = run.index(1)[m];
          if (place < places.begin || place >= places.end) continue;
          T* to = out + ((o - outer.begin) * places.size() + place - places.begin) * n.inner;
          add(run, to, run.out_grad() + (o * n.indices + m) * n.inner, n.inner);
        }
  }

 private:
  struct Sizes {
    int axis;
    std::int64_t outer, size, inner, indices;
    template <class T>
    Sizes(const Run<T>& run, std::int64_t which) {
      const Shape& x = run.shape(0);
      axis = x.axis(which, op_name);
      outer = x.size(0, axis);
      size = x[axis];
      inner = x.size(axis + 1, x.rank());
      indices = run.shape(1).size();
    }
  };
  template <class T>
  static void add(const Run<T>& run, T* to, const T* from, std::int64_t n) {
    run.kernels().axpy(to, T{1}, from, n, true);
  }
  std::int64_t axis_;
};

ValueType Gather::infer(std::span<const ValueType> in) const {
  const ValueType &x = in[0], &indices = in[1];
  require_reals(op_name, x);
  require_indices(op_name, indices);
  const int axis = x.shape.axis(axis_, op_name);
  if (axis == x.batch_axis) throw Error("gather: axis {} of {} is the batch axis; samples cannot be chosen", axis_, text(x));
  if (x.batched() && indices.batched())
    throw Error("gather: both {} and the indices {} vary over the batch; one of them must be shared by all samples", text(x),
                text(indices));
  ValueType y{Shape{}, -1, x.type};
  for (int k = 0; k < axis; ++k) y.shape.push_back(x.shape[k]);
  for (const std::int64_t size : indices.shape) y.shape.push_back(size);
  for (int k = axis + 1; k < x.shape.rank(); ++k) y.shape.push_back(x.shape[k]);
  if (indices.batched()) y.batch_axis = axis + indices.batch_axis;
  if (x.batched()) y.batch_axis = x.batch_axis < axis ? x.batch_axis : x.batch_axis + indices.shape.rank() - 1;
  return y;
}

}  // namespace

Var gather(Var x, Var indices, std::int64_t axis) { return x.tape().record(std::make_shared<Gather>(axis), {x, indices}); }

}  // namespace safer
