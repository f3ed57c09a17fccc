#include "criteria/relevance/curvature_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "criteria/relevance/target_runs.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"
#include "models/perturbation.h"

namespace safer {
namespace {

constexpr std::int64_t most_at_once = 32;  // samples of a run
// |eps v| / |W|. A ReLU that changes sides within the step counts as a bend of its own, with a weight of 1 / eps: that must be
// rare.
constexpr double relative_step = 1e-6;

/// A layer, its elements, and their mean square.
struct Curved {
  SweptLayer swept;
  NeuronView view;
  double mean_square;
};

double mean_square(std::span<const double> weights, const NeuronView& view) {
  double sum = 0, elements = 0;
  each_run(view, [&](std::int64_t first, std::int64_t count) {
    for (const double w : weights.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count))) sum += w * w;
    elements += static_cast<double>(count);
  });
  return sum / std::max(1.0, elements);
}

std::vector<Curved> curved_layers(const SweepContext& context, const Parameters& own) {
  std::vector<Curved> all;
  for (const SweptLayer& swept : swept_layers(context)) {
    const Tensor& W = own[swept.layer.parameter];
    const NeuronView view = weight_view(W.shape(), swept.layer);
    all.push_back({swept, view, mean_square(W.values<double>(), view)});
  }
  return all;
}

/// Adds factor v' g for each layer, g being the gradients of a sweep.
class ProductSink final : public GradientSink<double> {
 public:
  ProductSink(const SweepContext& context, const std::vector<Curved>& layers, const Parameters& signs)
      : context_(context), layers_(layers), signs_(signs) {}
  void start(std::size_t need, std::size_t group, double factor) { need_ = need, group_ = group, factor_ = factor; }
  bool wants(int parameter) const override { return std::ranges::find(context_.weights, parameter) != context_.weights.end(); }
  void fold(const ParameterGradient<double>& gradient) override {
    values_.resize(static_cast<std::size_t>(gradient.shape().size()));
    gradient.batch_sum(values_.data());
    const std::span<const double> v = signs_[gradient.parameter()].values<double>();
    for (const Curved& layer : layers_) {
      if (layer.swept.layer.parameter != gradient.parameter()) continue;
      double product = 0;
      each_run(layer.view, [&](std::int64_t first, std::int64_t count) {
        for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count); ++i)
          product += v[i] * values_[i];
      });
      context_.sums.of(need_, group_, layer.swept.weight)[layer.swept.part] += factor_ * layer.mean_square * product;
    }
  }

 private:
  const SweepContext& context_;
  const std::vector<Curved>& layers_;
  const Parameters& signs_;
  std::size_t need_ = 0, group_ = 0;
  double factor_ = 0;
  std::vector<double> values_;
};

/// The network with its target, run in double.
class DoubleTarget {
 public:
  explicit DoubleTarget(const SweepContext& context) : context_(context), tape_(context.network.tape) {
    const Var logits = tape_.var(context.network.logits);
    Var classes;
    if (reads_classes(context.target, logits.type())) classes = tape_.input("target.classes", Shape{}, DType::i64);
    classes_ = classes.id();
    root_ = record_target(context.target, logits, classes).id();
  }
  /// Offers the gradients of the sum of some samples' targets.
  void sweep(Range samples, const Parameters& parameters, GradientSink<double>& sink) {
    Workspace<double>& workspace = of_size(samples.size());
    inputs_.resize(static_cast<std::size_t>(samples.size() * context_.network.sample_shape().size()));
    context_.runs.copy_inputs(samples, std::span(inputs_));
    workspace.bind(context_.network.input, inputs_);
    seeds_.assign(static_cast<std::size_t>(samples.size()), 1.0);
    if (classes_ != no_value) bind_classes(samples, workspace);
    workspace.replay(parameters);
    workspace.reverse(sink, seeds_);
    context_.runs.report(samples.size());
  }

 private:
  /// A sample that has no class to ask for makes what it is summed up with no number.
  void bind_classes(Range samples, Workspace<double>& workspace) {
    const std::span<const std::int64_t> all = context_.runs.classes();
    asked_.assign(all.begin() + samples.begin, all.begin() + samples.end);
    for (std::size_t s = 0; s < asked_.size(); ++s)
      if (asked_[s] < 0) asked_[s] = 0, seeds_[s] = std::numeric_limits<double>::quiet_NaN();
    workspace.bind(classes_, asked_);
  }
  Workspace<double>& of_size(std::int64_t samples) {
    auto found = std::ranges::find_if(made_, [&](const auto& workspace) { return workspace->batch() == samples; });
    if (found == made_.end()) {
      PlanOptions options{.batch = samples, .type = DType::f64, .root = root_};
      for (std::size_t i = 0; i < context_.weights.size(); ++i)
        if (context_.runs.leads(i)) options.gradients.push_back(tape_.parameter_value(context_.weights[i]));
      made_.push_back(std::make_unique<Workspace<double>>(Plan(tape_, std::move(options))));
      found = made_.end() - 1;
    }
    return **found;
  }

  const SweepContext& context_;
  Tape tape_;
  ValueId root_, classes_ = no_value;
  std::vector<double> inputs_, seeds_;
  std::vector<std::int64_t> asked_;
  std::vector<std::unique_ptr<Workspace<double>>> made_;
};

/// moved = own + step v.
void move(Parameters& moved, const Parameters& own, const Parameters& signs, std::span<const int> weights, double step) {
  for (const int weight : weights) {
    const std::span<double> to = moved.mutable_values<double>(weight);
    const std::span<const double> from = own[weight].values<double>(), v = signs[weight].values<double>();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i] + step * v[i];
  }
}

void draw_signs(Parameters& signs, std::span<const int> weights, std::uint64_t seed, int vector) {
  std::vector<float> uniform;
  for (const int weight : weights) {
    const std::span<double> v = signs.mutable_values<double>(weight);
    uniform.resize(v.size());
    RandomField(mix(mix(seed, hash("curvature")), hash(signs.spec(weight).name)))
        .uniform(static_cast<std::uint64_t>(vector), 0, uniform);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = uniform[i] < 0.5f ? 1 : -1;
  }
}

/// |W| / 10^6 over |v|; the same for weights that are all 0 as if they were 1.
double step_length(const Parameters& own, std::span<const int> weights) {
  double squares = 0, count = 0;
  for (const int weight : weights)
    for (const double w : own[weight].values<double>()) squares += w * w, ++count;
  return relative_step * (squares > 0 ? std::sqrt(squares / count) : 1);
}

}  // namespace

void sweep_curvature(const SweepContext& context) {
  const std::size_t need = need_of(context, Probe::curvature);
  const Parameters own = context.network.parameters.to(DType::f64);
  Parameters signs = own, moved = own;
  const std::vector<Curved> layers = curved_layers(context, own);
  ProductSink sink(context, layers, signs);
  DoubleTarget target(context);
  const double step = step_length(own, context.weights);
  const std::vector<std::int64_t>& bounds = context.runs.group_bounds();
  for (int vector = 0; vector < steps_of(Probe::curvature, context.options); ++vector) {
    draw_signs(signs, context.weights, context.seed, vector);
    for (const double side : {1.0, -1.0}) {
      move(moved, own, signs, context.weights, side * step);
      for (std::size_t group = 0; group + 1 < bounds.size(); ++group) {
        sink.start(need, group, side / (2 * step));
        for (std::int64_t first = bounds[group]; first < bounds[group + 1]; first += most_at_once)
          target.sweep({first, std::min(first + most_at_once, bounds[group + 1])}, moved, sink);
      }
    }
  }
}

}  // namespace safer
