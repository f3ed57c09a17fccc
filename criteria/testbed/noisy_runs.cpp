#include "criteria/testbed/noisy_runs.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/random.h"
#include "models/evaluation.h"

namespace safer {
namespace {

/// The activation of one use of a layer, as [outer, neurons, inner]. Neurons are channels of convolutions, columns of others.
NoisyPlan::Activation activation(const Network& network, const Layer& layer, ValueId use, std::size_t number, std::int64_t points) {
  const Tape& tape = network.tape;
  const ValueId value = tape.activation_of(use);
  const ValueType& type = tape.node(value).type;
  const ParameterSpec& spec = network.parameters.spec(layer.parameter);
  const Shape shape = type.batched() ? type.at(points) : Shape{};
  const int axis = tape.node(use).op->name() == "conv2d" ? 1 : shape.rank() - 1;
  if (!type.batched() || axis <= 0 || shape[axis] != spec.neurons())
    throw Error(
        "{}: layer '{}' has no activations: its weight is read by '{}', which gives no output neuron a value; put the noise "
        "on weights",
        network.name, layer.name, tape.node(use).op->name());
  return {value, {shape.size(0, axis), shape[axis], shape.size(axis + 1, shape.rank()), layer.outputs}, number};
}

std::size_t place_of(std::vector<ValueId>& values, ValueId value) {
  const auto found = std::ranges::find(values, value);
  if (found != values.end()) return static_cast<std::size_t>(found - values.begin());
  values.push_back(value);
  return values.size() - 1;
}

}  // namespace

NoisyPlan::NoisyPlan(const Network& network, std::span<const Layer> layers, const NoiseSweep& sweep, std::int64_t points) {
  PlanOptions options{.batch = points, .outputs = {network.logits}};
  for (std::size_t number = 0; number < layers.size(); ++number) {
    const Layer& layer = layers[number];
    ValueId from = network.tape.parameter_value(layer.parameter);
    if (sweep.place == Place::activations) {
      for (const ValueId use : layer.uses) {
        activations.push_back(activation(network, layer, use, number, points));
        place_of(options.taps, activations.back().value);
      }
      if (layer.uses.size() == 1) from = activations.back().value;  // several uses are only all behind the weight
    }
    resume.push_back(place_of(options.resume, from));
  }
  plan = std::make_shared<const Plan>(network.tape, std::move(options));
}

NoisyRuns::NoisyRuns(const Network& network, std::span<const Layer> layers, const NoiseSweep& sweep, std::span<const double> units,
                     const Dataset& data, const NoisyPlan& plan)
    : network_(network),
      layers_(layers),
      sweep_(sweep),
      units_(units),
      data_(data),
      plan_(plan),
      workspace_(plan.plan),
      replicas_(static_cast<std::size_t>(network.parameters.size())),
      inputs_(static_cast<std::size_t>(workspace_.batch() * network.sample_shape().size())),
      labels_(data.labels.empty() ? 0 : static_cast<std::size_t>(workspace_.batch())),
      meter_(workspace_.batch(), network.classes()) {
  workspace_.bind(network.input, std::span<const float>(inputs_));
  for (const ValueId tap : plan.plan->options().taps)
    workspace_.tap(tap, [this, tap](std::span<float> values) {
      if (!noisy_layer_) return;
      for (const NoisyPlan::Activation& activation : plan_.activations)
        if (activation.value == tap && activation.layer == *noisy_layer_) {
          NoiseDraw own = noise_;
          own.key = mix(noise_.key, static_cast<std::uint64_t>(tap));
          perturb(values, activation.view, own);
        }
    });
}

void NoisyRuns::take_points(std::uint64_t key) {
  const auto size = static_cast<std::size_t>(network_.sample_shape().size());
  const float* const from = data_.inputs.values<float>().data();
  Random random(key);
  for (std::size_t i = 0; i < static_cast<std::size_t>(workspace_.batch()); ++i) {
    const std::size_t point = random.below(static_cast<std::uint64_t>(data_.size()));
    std::copy_n(from + point * size, size, inputs_.data() + i * size);
    if (!labels_.empty()) labels_[i] = data_.labels[point];
  }
}

void NoisyRuns::run(std::size_t layer, const NoiseDraw& noise) {
  const std::size_t resume = plan_.resume[layer];
  if (sweep_.place == Place::activations) {
    noisy_layer_ = layer, noise_ = noise;
    workspace_.resume(resume, network_.parameters);
    noisy_layer_.reset();
    return;
  }
  const int parameter = layers_[layer].parameter;
  const Tensor& clean = network_.parameters[parameter];
  std::optional<Parameters>& replica = replicas_[static_cast<std::size_t>(parameter)];
  if (!replica) replica = network_.parameters;
  const std::span<float> values = replica->mutable_values<float>(parameter);
  std::copy_n(clean.values<float>().data(), values.size(), values.data());
  perturb(values, weight_view(clean.shape(), layers_[layer]), noise);
  workspace_.resume(resume, *replica);
}

void NoisyRuns::draw(std::uint64_t seed, std::uint64_t draw, std::span<const std::size_t> wanted,
                     std::span<const std::span<Damages>> out) {
  const std::uint64_t key = mix(seed, draw);
  take_points(mix(key, hash("points")));
  workspace_.replay(network_.parameters);
  meter_.set_clean(workspace_.value(network_.logits), labels_);
  const bool whole = sweep_.whole_neurons || sweep_.place == Place::activations;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const std::uint64_t layer_key = mix(mix(key, hash("noise")), wanted[i]);
    for (std::size_t level = 0; level < sweep_.levels.size(); ++level) {
      run(wanted[i], {sweep_.noise, sweep_.levels[level], units_[wanted[i]], whole, mix(layer_key, level)});
      out[i][level] = meter_.compare(workspace_.value(network_.logits));
    }
  }
}

std::vector<double> noise_units(const Network& network, std::span<const Layer> layers, const Dataset& data,
                                const NoiseSweep& sweep) {
  std::vector<double> units(layers.size());
  if (sweep.place == Place::weights || !sweep.unit_of_activity) {
    std::ranges::transform(layers, units.begin(), [&](const Layer& layer) { return largest_weight(network.parameters, layer); });
    return units;
  }
  const NoisyPlan plan(network, layers, sweep, 1);
  PlanOptions options{.outputs = {network.logits}, .taps = plan.plan->options().taps};
  Workspace<float> workspace(Plan(network.tape, options));
  for (const ValueId tap : options.taps)
    workspace.tap(tap, [&, tap](std::span<float> values) {
      for (const NoisyPlan::Activation& activation : plan.activations)
        if (activation.value == tap)
          units[activation.layer] = std::max(units[activation.layer], double{largest_magnitude(values, activation.view)});
    });
  const auto size = static_cast<std::size_t>(network.sample_shape().size());
  for (std::size_t point = 0; point < static_cast<std::size_t>(data.size()); ++point) {
    workspace.bind(network.input, data.inputs.values<float>().subspan(point * size, size));
    workspace.replay(network.parameters);
  }
  return units;
}

}  // namespace safer
