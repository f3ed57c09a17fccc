#include "criteria/relevance/mask_sweep.h"

#include <algorithm>

#include "criteria/relevance/hsic.h"
#include "criteria/relevance/target_runs.h"
#include "engine/random.h"

namespace safer {
namespace {

/// A weight tensor among those that are masked together, and its columns of their design.
struct Masked {
  std::size_t weight;  // place
  int bias = -1;       // parameter that belongs to the same neurons
  std::size_t first = 0, neurons = 0;
};

/// One design and what it gave: outputs [samples, masks].
struct Design {
  int moved = TargetRuns::everything;
  std::vector<Masked> weights;
  Masks masks;
  std::vector<float> outputs;
};

/// The bias of a weight's neurons: the parameter that the op which applies the weight takes beside it, one value a neuron. -1 when
/// there is none, or others read it.
int bias_of(const Tape& tape, int weight, std::int64_t neurons) {
  const ValueId value = tape.parameter_value(weight);
  for (const Node& node : tape.nodes()) {
    if (std::ranges::find(node.inputs, value) == node.inputs.end()) continue;
    for (const ValueId input : node.inputs) {
      const Node& other = tape.node(input);
      if (other.kind != Node::Kind::parameter || (*tape.parameters())[other.parameter].role != Role::bias ||
          other.type.shape != Shape{neurons})
        continue;
      const bool alone = std::ranges::none_of(tape.nodes(), [&](const Node& reader) {
        return std::ranges::find(reader.inputs, input) != reader.inputs.end() &&
               std::ranges::find(reader.inputs, value) == reader.inputs.end();
      });
      if (alone) return other.parameter;
    }
  }
  return -1;
}

/// to = from, with 0 where the mask lacks the neuron; axis: that of the neurons.
void mask_tensor(Parameters& moved, const Parameters& own, int id, int axis, const Masks& masks, std::size_t mask,
                 std::size_t first) {
  const Shape& shape = own.spec(id).shape;
  const std::span<const float> from = own[id].values<float>();
  const std::span<float> to = moved.mutable_values<float>(id);
  const auto neurons = static_cast<std::size_t>(shape.rank() == 0 ? 1 : shape[axis]);
  const auto inner = static_cast<std::size_t>(shape.rank() == 0 ? 1 : shape.size(axis + 1, shape.rank()));
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = masks.keeps(mask, first + i / inner % neurons) ? from[i] : 0;
}

std::vector<Design> designs(const SweepContext& context) {
  std::vector<Design> all(context.options.joint ? 1 : context.weights.size());
  for (std::size_t weight = 0; weight < context.weights.size(); ++weight) {
    Design& design = all[context.options.joint ? 0 : weight];
    const int id = context.weights[weight];
    const ParameterSpec& spec = context.network.parameters.spec(id);
    const std::int64_t neurons = spec.shape.rank() == 0 ? 1 : spec.shape[spec.output_axis];
    const std::size_t first = design.weights.empty() ? 0 : design.weights.back().first + design.weights.back().neurons;
    design.weights.push_back({weight, bias_of(context.network.tape, id, neurons), first, static_cast<std::size_t>(neurons)});
    if (!context.options.joint) design.moved = static_cast<int>(weight);
  }
  for (Design& design : all) {
    const Masked& last = design.weights.back();
    const std::string_view own_name = context.network.parameters.spec(context.weights[last.weight]).name;
    design.masks = balanced_masks(static_cast<std::size_t>(context.options.masks), last.first + last.neurons,
                                  context.options.joint ? kept_of_all : kept_of_layer,
                                  mask_key(context.seed, context.options.joint ? "joint" : own_name));
  }
  return all;
}

void run(Design& design, const SweepContext& context) {
  const auto samples = static_cast<std::size_t>(context.runs.samples());
  design.outputs.resize(samples * design.masks.count);
  std::vector<float> targets(samples);
  const Parameters& own = context.network.parameters;
  Parameters moved = own;
  for (std::size_t mask = 0; mask < design.masks.count; ++mask) {
    for (const Masked& weight : design.weights) {
      const int id = context.weights[weight.weight];
      mask_tensor(moved, own, id, own.spec(id).output_axis, design.masks, mask, weight.first);
      if (weight.bias >= 0) mask_tensor(moved, own, weight.bias, 0, design.masks, mask, weight.first);
    }
    context.runs.run(moved, design.moved, nullptr, targets);
    for (std::size_t s = 0; s < samples; ++s) design.outputs[s * design.masks.count + mask] = targets[s];
  }
}

/// By sample: the width of the kernel of its outputs, over all designs.
std::vector<double> widths(const std::vector<Design>& all, std::size_t samples) {
  std::vector<double> of_samples;
  std::vector<std::span<const float>> sets(all.size());
  for (std::size_t s = 0; s < samples; ++s) {
    for (std::size_t i = 0; i < all.size(); ++i)
      sets[i] = std::span(all[i].outputs).subspan(s * all[i].masks.count, all[i].masks.count);
    of_samples.push_back(median_distance(sets));
  }
  return of_samples;
}

}  // namespace

std::uint64_t mask_key(std::uint64_t seed, std::string_view name) { return mix(mix(seed, hash("masks")), hash(name)); }

void sweep_masks(const SweepContext& context) {
  std::vector<Design> all = designs(context);
  for (Design& design : all) run(design, context);
  const std::vector<double> width = widths(all, static_cast<std::size_t>(context.runs.samples()));
  const std::size_t need = need_of(context, Probe::masks);
  const std::vector<std::int64_t>& bounds = context.runs.group_bounds();
  for (const Design& design : all)
    for (std::size_t group = 0; group + 1 < bounds.size(); ++group) {
      const auto first = static_cast<std::size_t>(bounds[group]), count = static_cast<std::size_t>(bounds[group + 1]) - first;
      OutputKernel kernel(design.masks.count);
      kernel.add(std::span(design.outputs).subspan(first * design.masks.count, count * design.masks.count),
                 std::span(width).subspan(first, count));
      for (const Masked& weight : design.weights)
        kernel.add_dependence(context.sums.of(need, group, weight.weight), design.masks, weight.first);
    }
}

}  // namespace safer
