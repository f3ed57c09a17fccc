#include "criteria/relevance/similarity_sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "criteria/relevance/target_runs.h"
#include "engine/tape/workspace.h"
#include "models/perturbation.h"

namespace safer {
namespace {

constexpr std::int64_t most_compared = 16;  // samples, with one another

/// A value of the tape, or some channels of it, as a matrix with a row for each sample.
struct Rows {
  ValueId value;
  NeuronView view;  // of all samples
};

struct Compared {
  SweptLayer swept;
  Rows read = {no_value, {}}, given = {no_value, {}};
};

/// All of a value.
NeuronView whole(const Shape& shape) { return {.neurons = shape.size(), .range = {0, shape.size()}}; }

/// The columns of what a layer gives that are its own: all, unless it is a part of its weight.
NeuronView own_outputs(const Layer& layer, const ParameterSpec& weight, const Shape& shape, bool channels_first) {
  if (weight.parts.empty()) return whole(shape);
  const int axis = channels_first ? 1 : shape.rank() - 1;
  return {shape.size(0, axis), shape[axis], shape.size(axis + 1, shape.rank()), layer.outputs};
}

std::vector<Compared> compared_layers(const SweepContext& context, std::int64_t samples) {
  const Tape& tape = context.network.tape;
  std::vector<Compared> all;
  for (const SweptLayer& swept : swept_layers(context)) {
    const ValueId first_use = swept.layer.uses.front();
    const Node& use = tape.node(first_use);
    const ValueId read = use.inputs.front(), given = tape.activation_of(first_use);
    const ParameterSpec& spec = context.network.parameters.spec(swept.layer.parameter);
    Compared compared{swept};
    if (tape.node(read).type.batched() && tape.node(given).type.batched()) {
      const Shape shape = tape.node(given).type.at(samples);
      compared.read = {read, whole(tape.node(read).type.at(samples))};
      compared.given = {given, own_outputs(swept.layer, spec, shape, use.op->name() == "conv2d")};
    }
    all.push_back(compared);
  }
  return all;
}

/// Inner products of the samples' rows, [samples, samples], its diagonal 0.
std::vector<double> gram(std::span<const float> values, const NeuronView& view, std::int64_t samples) {
  const auto n = static_cast<std::size_t>(samples);
  const std::size_t row = values.size() / n;
  std::vector<double> products(n * n);
  each_run(view, [&](std::int64_t first, std::int64_t count) {
    // A run may hold several samples, or a part of one.
    for (auto at = static_cast<std::size_t>(first), end = at + static_cast<std::size_t>(count); at < end;) {
      const std::size_t sample = at / row, stop = std::min(end, (sample + 1) * row);
      for (std::size_t other = 0; other < sample; ++other) {
        double sum = 0;
        for (std::size_t i = at; i < stop; ++i) sum += double{values[i]} * values[other * row + i - sample * row];
        products[sample * n + other] += sum;
      }
      at = stop;
    }
  });
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) products[j * n + i] = products[i * n + j];
  return products;
}

/// Song et al. 2012, eq. 5, of two Gram matrices without their diagonals.
double hsic(const std::vector<double>& k, const std::vector<double>& l, std::size_t samples) {
  const double n = static_cast<double>(samples);
  double trace = 0, sum_k = 0, sum_l = 0, rows = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    double row_k = 0, row_l = 0;
    for (std::size_t j = 0; j < samples; ++j) {
      trace += k[i * samples + j] * l[j * samples + i];
      row_k += k[i * samples + j];
      row_l += l[i * samples + j];
    }
    sum_k += row_k, sum_l += row_l, rows += row_k * row_l;
  }
  return (trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows) / (n * (n - 3));
}

/// HSIC(X, Y), HSIC(X, X), HSIC(Y, Y).
struct Similarity {
  static constexpr double none = std::numeric_limits<double>::quiet_NaN();
  double both = none, read = none, given = none;
};

/// Runs and compares batches of one size.
class Comparison {
 public:
  Comparison(const SweepContext& context, std::int64_t samples)
      : context_(context),
        layers_(compared_layers(context, samples)),
        inputs_(static_cast<std::size_t>(samples * context.network.sample_shape().size())),
        workspace_(make_plan(context, layers_, samples)) {
    workspace_.bind(context.network.input, inputs_);
  }
  void add(Range samples, std::size_t need) {
    context_.runs.copy_inputs(samples, std::span(inputs_));
    workspace_.replay(context_.network.parameters);
    const bool answered = samples.size() >= 4 &&
                          std::ranges::none_of(workspace_.value(context_.network.logits), [](float z) { return std::isnan(z); });
    std::map<ValueId, std::vector<double>> read;  // several layers may read one value
    for (const Compared& layer : layers_) {
      const std::span<double> sums = context_.sums.of(need, 0, layer.swept.weight);
      const Similarity found = !context_.runs.leads(layer.swept.weight)   ? Similarity{1, 1, 1}
                               : answered && layer.read.value != no_value ? compare(layer, samples.size(), read)
                                                                          : Similarity{};
      sums[layer.swept.part] += found.both * static_cast<double>(samples.size());
      sums[layer.swept.parts + layer.swept.part] += found.read * static_cast<double>(samples.size());
      sums[2 * layer.swept.parts + layer.swept.part] += found.given * static_cast<double>(samples.size());
    }
    context_.runs.report(samples.size());
  }
  std::int64_t samples() const { return workspace_.batch(); }

 private:
  Similarity compare(const Compared& layer, std::int64_t samples, std::map<ValueId, std::vector<double>>& read) const {
    const auto n = static_cast<std::size_t>(samples);
    std::vector<double>& k = read[layer.read.value];
    if (k.empty()) k = gram(workspace_.value(layer.read.value), layer.read.view, samples);
    const std::vector<double> l = gram(workspace_.value(layer.given.value), layer.given.view, samples);
    return {hsic(k, l, n), hsic(k, k, n), hsic(l, l, n)};
  }
  static Plan make_plan(const SweepContext& context, const std::vector<Compared>& layers, std::int64_t samples) {
    PlanOptions options{.batch = samples, .outputs = {context.network.logits}};
    for (const Compared& layer : layers)
      for (const ValueId value : {layer.read.value, layer.given.value})
        if (value != no_value && std::ranges::find(options.outputs, value) == options.outputs.end())
          options.outputs.push_back(value);
    return Plan(context.network.tape, std::move(options));
  }

  const SweepContext& context_;
  std::vector<Compared> layers_;
  std::vector<float> inputs_;
  Workspace<float> workspace_;
};

}  // namespace

void sweep_similarity(const SweepContext& context) {
  const std::size_t need = need_of(context, Probe::similarity);
  const std::vector<std::int64_t> bounds =
      split(context.runs.samples(), (context.runs.samples() + most_compared - 1) / most_compared);
  std::vector<std::unique_ptr<Comparison>> made;  // one for each size of batch
  for (std::size_t batch = 0; batch + 1 < bounds.size(); ++batch) {
    const Range samples{bounds[batch], bounds[batch + 1]};
    auto found = std::ranges::find_if(made, [&](const auto& one) { return one->samples() == samples.size(); });
    if (found == made.end()) {
      made.push_back(std::make_unique<Comparison>(context, samples.size()));
      found = made.end() - 1;
    }
    (*found)->add(samples, need);
  }
}

}  // namespace safer
