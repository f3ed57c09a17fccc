#include "engine/ops/reduce.h"

#include <numeric>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "models/onnx/operators.h"

namespace safer::onnx {
namespace {

using Reduce = Var (*)(Var, const std::vector<std::int64_t>&, bool);

Var sum_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return sum(x, axes, keep); }
Var mean_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return mean(x, axes, keep); }
Var max_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return max(x, axes, keep); }
Var min_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return max(x * -1.0, axes, keep) * -1.0; }
Var l1_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return sum(relu(x) + relu(x * -1.0), axes, keep); }
Var l2_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return sqrt(sum(square(x), axes, keep)); }
Var squares_of(Var x, const std::vector<std::int64_t>& axes, bool keep) { return sum(square(x), axes, keep); }
Var log_of_sum(Var x, const std::vector<std::int64_t>& axes, bool keep) { return log(sum(x, axes, keep)); }
/// Without overflow: the largest is taken out of the sum.
Var log_of_exponentials(Var x, const std::vector<std::int64_t>& axes, bool keep) {
  const Var largest = max(x, axes, true), logarithm = log(sum(exp(x - largest), axes, keep));
  return logarithm + (keep ? largest : max(x, axes, false));
}
template <Reduce f>
std::vector<Value> reduced(const NodeImport& node) {
  const Value& input = node.value(0);
  std::vector<std::int64_t> axes = node.integers(1, "axes");
  const bool last_only = axes.size() == 1 && axes[0] == -1;
  const Var x = last_only ? node.rows(0) : node.var(0);
  const bool keep = node.attributes().integer("keepdims", 1) != 0;
  if (axes.empty()) {
    if (node.attributes().integer("noop_with_empty_axes", 0) != 0) return {{nullptr, x}};
    axes.resize(static_cast<std::size_t>(x.shape().rank()));
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (x.type().batched())
    for (const std::int64_t axis : axes)
      if (x.shape().axis(axis, "axes") == x.type().batch_axis)
        throw Error("axis {} is that of the batch, over which nothing is summed here", axis);
  if (axes.empty()) return {{nullptr, x}};
  return {{nullptr, f(x, axes, keep), input.merged}};
}

}  // namespace

std::span<const Operator> reduce_operators() {
  static constexpr Operator rows[] = {
      {"ReduceL1", reduced<l1_of>},
      {"ReduceL2", reduced<l2_of>},
      {"ReduceLogSum", reduced<log_of_sum>},
      {"ReduceLogSumExp", reduced<log_of_exponentials>},
      {"ReduceMax", reduced<max_of>},
      {"ReduceMean", reduced<mean_of>},
      {"ReduceMin", reduced<min_of>},
      {"ReduceSum", reduced<sum_of>},
      {"ReduceSumSquare", reduced<squares_of>},
  };
  return rows;
}

}  // namespace safer::onnx
