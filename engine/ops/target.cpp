#include "engine/ops/target.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// Throws Error unless x is [N, classes].
void require_logits(std::string_view op, const ValueType& x) {
  require_reals(op, x);
  if (x.batch_axis != 0 || x.shape.rank() != 2 || x.shape[0] != 1 || x.shape[1] < 1)
    throw Error("{}: the logits are {}, expected [N, classes]", op, text(x));
}

/// The logits of one sample, its class, and where its row starts.
template <class T>
struct Row {
  const T* x;
  std::int64_t size, c, start;
};

/// A function of one row of logits. Derived may have prepare(run, first, count), which is called for blocks of rows before anything
/// is asked about them, and fills their scratch.
template <class Derived>
class OfRow : public OpOf<Derived> {
 public:
  ValueType infer(std::span<const ValueType> in) const override {
    constexpr std::string_view op = Derived::op_name;
    require_logits(op, in[0]);
    if (in.size() > 1) {
      require_indices(op, in[1]);
      if (in[1].batch_axis != 0 || in[1].shape != Shape{1})
        throw Error("{}: the class numbers are {}, expected [N], one for each sample", op, text(in[1]));
    }
    return {Shape{1}, 0, DType::f32};
  }
  bool gradient_reads_output(int) const override { return false; }

  template <class T>
  void compute(const Run<T>& run) const {
    if (run.inputs() > 1) check_classes(run.index(1), run.batch(), Derived::classes(run.shape(0)[1]));
    each_row(run, [&](std::int64_t n, const Row<T>& row) { run.out()[n] = Derived::value(run, row); });
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    if (!run.accumulate(0)) std::fill_n(run.grad(0), run.shape(0).size(), T{0});
    each_row(run, [&](std::int64_t n, const Row<T>& row) {
      Derived::add_gradient(run, row, run.out_grad()[n], run.grad(0) + row.start);
    });
  }
  static std::int64_t classes(std::int64_t columns) { return columns; }

 private:
  template <class T, class F>
  void each_row(const Run<T>& run, const F& f) const {
    const std::int64_t* classes = run.inputs() > 1 ? run.index(1) : nullptr;
    const std::int64_t size = run.shape(0)[1];
    parallel_blocks(run.batch(), size * 8, [&](std::int64_t first, std::int64_t count) {
      if constexpr (requires { Derived::prepare(run, first, count); }) Derived::prepare(run, first, count);
      for (std::int64_t n = first; n < first + count; ++n)
        f(n, Row<T>{run.in(0) + n * size, size, classes ? classes[n] : 0, n * size});
    });
  }
  static void check_classes(const std::int64_t* classes, std::int64_t samples, std::int64_t count) {
    for (std::int64_t n = 0; n < samples; ++n)
      if (classes[n] < 0 || classes[n] >= count)
        throw Error("{}: sample {} has class {}, expected 0..{}", Derived::op_name, n, classes[n], count - 1);
  }
};

class Pick final : public OfRow<Pick> {
 public:
  static constexpr std::string_view op_name = "pick";
  bool gradient_reads_input(int, int input) const override { return input == 1; }
  template <class T>
  static T value(const Run<T>&, const Row<T>& row) {
    return row.x[row.c];
  }
  template <class T>
  static void add_gradient(const Run<T>&, const Row<T>& row, T dy, T* dx) {
    dx[row.c] += dy;
  }
};

/// Place of the first largest of x, leaving out `without`; of the first NaN where there is one.
template <class T>
std::int64_t first_largest(const T* x, std::int64_t n, std::int64_t without = -1) {
  std::int64_t best = without == 0 ? 1 : 0;
  for (std::int64_t j = best; j < n; ++j)
    if (j != without && (x[j] > x[best] || (std::isnan(x[j]) && !std::isnan(x[best])))) best = j;
  return best;
}

class Margin final : public OfRow<Margin> {
 public:
  static constexpr std::string_view op_name = "margin";
  ValueType infer(std::span<const ValueType> in) const override {
    const ValueType y = OfRow::infer(in);
    if (in[0].shape[1] < 2) throw Error("margin: the logits are {}, expected at least 2 classes", text(in[0]));
    return y;
  }
  template <class T>
  static T value(const Run<T>&, const Row<T>& row) {
    return row.x[row.c] - row.x[first_largest(row.x, row.size, row.c)];
  }
  template <class T>
  static void add_gradient(const Run<T>&, const Row<T>& row, T dy, T* dx) {
    dx[row.c] += dy;
    dx[first_largest(row.x, row.size, row.c)] -= dy;
  }
};

/// With the largest logit m:  y = (m - x[c]) + log1p(sum of exp(x - m) over the others),  dx = dy (p - [c]).
/// p[c] - 1 is formed as minus the sum of the other p, which does not cancel where p[c] is close to 1.
class CrossEntropy final : public OfRow<CrossEntropy> {
 public:
  static constexpr std::string_view op_name = "cross_entropy";
  std::int64_t scratch(std::span<const Shape> in, const Shape&) const override { return in[0].size(); }
  static std::int64_t classes(std::int64_t columns) { return std::max<std::int64_t>(2, columns); }

  /// scratch = exp(x - m). Rows may be as short as two logits, so that one call for all of them counts.
  template <class T>
  static void prepare(const Run<T>& run, std::int64_t first, std::int64_t count) {
    const std::int64_t size = run.shape(0)[1];
    if (size == 1) return;
    for (std::int64_t n = first; n < first + count; ++n) {
      const T* const x = run.in(0) + n * size;
      const T m = x[first_largest(x, size)];
      T* e = run.scratch() + n * size;
      for (std::int64_t j = 0; j < size; ++j) e[j] = x[j] - m;
    }
    T* const e = run.scratch() + first * size;
    run.kernels().unary[static_cast<int>(kernels::Unary::exp)](e, e, count * size, T{0});
  }

  template <class T>
  static T value(const Run<T>& run, const Row<T>& row) {
    if (row.size == 1) {
      const double z = against(row);
      return static_cast<T>(std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))));
    }
    const Weights<T> w(run, row);
    const double lead = row.c == w.top ? 0 : double{row.x[w.top]} - double{row.x[row.c]};
    return static_cast<T>(lead + std::log1p(w.others));
  }
  template <class T>
  static void add_gradient(const Run<T>& run, const Row<T>& row, T dy, T* dx) {
    if (row.size == 1) {
      const double slope = 1 / (1 + std::exp(-against(row)));
      dx[0] += dy * static_cast<T>(row.c == 1 ? -slope : slope);
      return;
    }
    const Weights<T> w(run, row);
    const double all = 1 + w.others;
    w.e[row.c] = static_cast<T>(row.c == w.top ? -w.others : double{w.e[row.c]} - all);
    const T scale = static_cast<T>(double{dy} / all);
    for (std::int64_t j = 0; j < row.size; ++j) dx[j] += scale * w.e[j];
  }

 private:
  /// The single logit, signed so that large values speak against the class.
  template <class T>
  static double against(const Row<T>& row) {
    return row.c == 1 ? -double{row.x[0]} : double{row.x[0]};
  }
  /// What prepare() left, and the sum of all but the one that is 1.
  template <class T>
  struct Weights {
    T* e;
    std::int64_t top;
    double others = 0;
    Weights(const Run<T>& run, const Row<T>& row) : e(run.scratch() + row.start), top(first_largest(row.x, row.size)) {
      for (std::int64_t j = 0; j < row.size; ++j)
        if (j != top) others += double{e[j]};
      if (!std::isnan(row.x[top])) e[top] = 1;  // infinity minus itself is none
    }
  };
};

class EuclideanNorm final : public OfRow<EuclideanNorm> {
 public:
  static constexpr std::string_view op_name = "euclidean_norm";
  template <class T>
  static T value(const Run<T>&, const Row<T>& row) {
    return static_cast<T>(norm(row));
  }
  template <class T>
  static void add_gradient(const Run<T>& run, const Row<T>& row, T dy, T* dx) {
    const double y = norm(row);
    if (y != 0) run.kernels().axpy(dx, static_cast<T>(double{dy} / y), row.x, row.size, true);
  }

 private:
  template <class T>
  static double norm(const Row<T>& row) {
    double sum = 0;
    for (std::int64_t j = 0; j < row.size; ++j) sum += double{row.x[j]} * double{row.x[j]};
    return std::sqrt(sum);
  }
};

}  // namespace

Var pick(Var logits, Var classes) { return logits.tape().record(std::make_shared<Pick>(), {logits, classes}); }
Var margin(Var logits, Var classes) { return logits.tape().record(std::make_shared<Margin>(), {logits, classes}); }
Var cross_entropy(Var logits, Var classes) { return logits.tape().record(std::make_shared<CrossEntropy>(), {logits, classes}); }
Var euclidean_norm(Var logits) { return logits.tape().record(std::make_shared<EuclideanNorm>(), {logits}); }

Target find_target(std::string_view name) {
  const auto found = std::ranges::find(target_names, name);
  if (found == std::end(target_names)) throw Error("unknown target '{}'; choose one of: {}", name, fmt::join(target_names, ", "));
  return static_cast<Target>(found - std::begin(target_names));
}

bool reads_classes(Target target, const ValueType& logits) {
  if (target == Target::label_ce) return true;
  return logits.shape.size() != 1 && target != Target::sum_logits && target != Target::output_norm;
}

Var record_target(Target target, Var logits, Var classes) {
  require_logits(fmt::format("target {}", name(target)), logits.type());
  if (reads_classes(target, logits.type()) && !classes)
    throw Error("target {}: reads class numbers, but none are given; {}", name(target),
                target == Target::label_ce ? "give labels, or choose pseudo-ce" : "give those that the network predicts");
  if (target != Target::label_ce && logits.shape().size() == 1) return reshape(logits, {1});
  switch (target) {
    case Target::top_logit: return pick(logits, classes);
    case Target::margin: return margin(logits, classes);
    case Target::sum_logits: return sum(logits, {1});
    case Target::output_norm: return euclidean_norm(logits);
    case Target::pseudo_ce:
    case Target::label_ce: break;
  }
  return cross_entropy(logits, classes);
}

template <class T>
std::vector<std::int64_t> predicted_classes(std::span<const T> logits, std::int64_t classes) {
  if (classes < 1 || static_cast<std::int64_t>(logits.size()) % classes != 0)
    throw Error("predicted classes: {} logits are no rows of {} classes", logits.size(), classes);
  std::vector<std::int64_t> predicted(logits.size() / static_cast<std::size_t>(classes));
  for (std::size_t n = 0; n < predicted.size(); ++n) {
    const T* row = logits.data() + n * static_cast<std::size_t>(classes);
    const std::int64_t best = first_largest(row, classes);
    predicted[n] = std::isnan(row[best]) ? -1 : classes == 1 ? row[0] > 0 : best;
  }
  return predicted;
}
template std::vector<std::int64_t> predicted_classes<float>(std::span<const float>, std::int64_t);
template std::vector<std::int64_t> predicted_classes<double>(std::span<const double>, std::int64_t);

}  // namespace safer
