#include "criteria/relevance/path_sweeps.h"

#include <algorithm>
#include <numeric>

#include "criteria/relevance/fold.h"
#include "criteria/relevance/folding_sink.h"
#include "criteria/relevance/gig.h"
#include "criteria/relevance/guided_path.h"
#include "criteria/relevance/idgi.h"
#include "criteria/relevance/target_runs.h"

namespace safer {
namespace {

/// The weight tensors that move together: all, or one.
struct Block {
  std::vector<std::size_t> weights;  // places
  int moved;                         // as TargetRuns and FoldingSink call it
};

std::vector<Block> blocks(const SweepContext& context) {
  std::vector<std::size_t> all(context.weights.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (context.options.joint) return {{all, TargetRuns::everything}};
  std::vector<Block> one_each;
  for (const std::size_t weight : all) one_each.push_back({{weight}, static_cast<int>(weight)});
  return one_each;
}

/// Moves a block's weights to lambda W.
void scale(Parameters& moved, const SweepContext& context, const Block& block, double lambda) {
  for (const std::size_t weight : block.weights) {
    const int id = context.weights[weight];
    const std::span<const float> from = context.network.parameters[id].values<float>();
    const std::span<float> to = moved.mutable_values<float>(id);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(lambda * double{from[i]});
  }
}

/// The block's weights of the network itself, one tensor after the other.
std::vector<double> flat_weights(const SweepContext& context, const Block& block) {
  std::vector<double> all;
  for (const std::size_t weight : block.weights) {
    const std::span<const float> own = context.network.parameters[context.weights[weight]].values<float>();
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

/// Moves a block's weights to these values.
void place(Parameters& moved, const SweepContext& context, const Block& block, std::span<const double> values) {
  for (const std::size_t weight : block.weights) {
    const std::span<float> to = moved.mutable_values<float>(context.weights[weight]);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(values[i]);
    values = values.subspan(to.size());
  }
}

/// The mean target and its gradient, wherever the weights are moved to.
class MeanGradient {
 public:
  explicit MeanGradient(const SweepContext& context)
      : context_(context),
        bounds_{0, context.runs.samples()},
        sums_({{sizes(context), false}}, {bounds_[1]}),
        sink_(sums_, needs_, Probe::straight_path, context.weights, context.network.parameters, bounds_),
        targets_(static_cast<std::size_t>(bounds_[1])) {}
  MeanGradient(const MeanGradient&) = delete;
  MeanGradient& operator=(const MeanGradient&) = delete;

  /// Runs there; the mean target.
  double at(const Parameters& parameters, const Block& block) {
    for (const std::size_t weight : block.weights) std::ranges::fill(sums_.of(0, 0, weight), 0.0);
    sink_.want(block.moved);
    context_.runs.run(parameters, block.moved, sink_, targets_);
    gradient_.clear();
    const auto n = static_cast<double>(targets_.size());
    for (const std::size_t weight : block.weights)
      for (const double sum : sums_.of(0, 0, weight)) gradient_.push_back(sum / n);
    double total = 0;
    for (const float target : targets_) total += double{target};
    return total / n;
  }
  /// Of the block's weights, one after the other.
  std::span<const double> gradient() const { return gradient_; }

 private:
  static std::vector<std::int64_t> sizes(const SweepContext& context) {
    std::vector<std::int64_t> all;
    for (const int weight : context.weights) all.push_back(context.network.parameters.spec(weight).shape.size());
    return all;
  }

  const SweepContext& context_;
  const Needs needs_[1] = {{Probe::straight_path, false, fold_gradient}};
  std::vector<std::int64_t> bounds_;
  Sums sums_;
  FoldingSink sink_;
  std::vector<float> targets_;
  std::vector<double> gradient_;
};

/// Writes a block's phi to the places of all needs of a probe.
void store(const SweepContext& context, Probe probe, const Block& block, std::span<const double> phi) {
  for (std::size_t need = 0; need < context.needs.size(); ++need) {
    if (context.needs[need].probe != probe) continue;
    std::size_t first = 0;
    for (const std::size_t weight : block.weights) {
      const std::span<double> to = context.sums.of(need, 0, weight);
      std::ranges::copy(phi.subspan(first, to.size()), to.begin());
      first += to.size();
    }
  }
}

}  // namespace

void sweep_straight_path(const SweepContext& context) {
  const int steps = steps_of(Probe::straight_path, context.options);
  FoldingSink sink(context.sums, context.needs, Probe::straight_path, context.weights, context.network.parameters,
                   context.runs.group_bounds());
  for (const Block& block : blocks(context)) {
    Parameters moved = context.network.parameters;
    sink.want(block.moved);
    for (int k = 0; k < steps; ++k) {
      scale(moved, context, block, (k + 0.5) / steps);
      context.runs.run(moved, block.moved, sink);
    }
  }
}

void sweep_path_changes(const SweepContext& context) {
  const int steps = steps_of(Probe::path_changes, context.options);
  MeanGradient mean(context);
  for (const Block& block : blocks(context)) {
    Parameters moved = context.network.parameters;
    scale(moved, context, block, 0);
    double target = mean.at(moved, block);
    std::vector<double> gradient(mean.gradient().begin(), mean.gradient().end());
    DirectionSum sum(gradient.size());
    for (int j = 0; j < steps; ++j) {
      scale(moved, context, block, (j + 1.0) / steps);
      const double next = mean.at(moved, block);
      sum.add(gradient, next - target);
      gradient.assign(mean.gradient().begin(), mean.gradient().end());
      target = next;
    }
    store(context, Probe::path_changes, block, sum.finish());
  }
}

void sweep_guided_path(const SweepContext& context) {
  const int steps = steps_of(Probe::guided_path, context.options);
  MeanGradient mean(context);
  for (const Block& block : blocks(context)) {
    Parameters moved = context.network.parameters;
    const std::vector<double> from = flat_weights(context, block), to(from.size());
    GuidedPath path(from, to, steps, guided_fraction, guided_distance);
    while (!path.done()) {
      place(moved, context, block, path.position());
      mean.at(moved, block);
      path.advance(mean.gradient());
    }
    std::vector<double> phi(path.attribution().begin(), path.attribution().end());
    for (double& value : phi) value = -value;
    store(context, Probe::guided_path, block, phi);
  }
}

}  // namespace safer
