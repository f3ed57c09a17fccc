#include "criteria/relevance/mask_sweep.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <memory>
#include <optional>

#include "criteria/relevance/hsic.h"
#include "criteria/relevance/sweep.h"
#include "criteria/relevance/target_runs.h"
#include "engine/ops/target.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"

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
    const std::int64_t neurons = spec.neurons();
    const std::size_t first = design.weights.empty() ? 0 : design.weights.back().first + design.weights.back().neurons;
    design.weights.push_back({weight, bias_of(context.network.tape, id, neurons), first, static_cast<std::size_t>(neurons)});
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

/// Where a weight's neurons have places of their own in what the network computes, bias included.
struct Given {
  ValueId value = no_value;  // none: only the weight itself can be masked
  int axis = 0;              // that of the neurons, samples included
};

Given given_by(const Tape& tape, int weight, int bias) {
  const ValueId value = tape.parameter_value(weight);
  Given given;
  for (ValueId id = 0; id < tape.size(); ++id) {
    const Node& node = tape.node(id);
    if (std::ranges::find(node.inputs, value) == node.inputs.end()) continue;
    const std::optional<OutputChannels> channels = node.op->output_channels();
    const bool apart = channels && node.type.batched() && node.inputs[1] == value &&
                       channels->weight_axis == (*tape.parameters())[weight].output_axis &&
                       (node.inputs.size() < 3 || (bias >= 0 && node.inputs[2] == tape.parameter_value(bias)));
    if (!apart || given.value != no_value) return {};
    given = {id, channels->output_axis < 0 ? node.type.at(1).rank() - 1 : channels->output_axis};
  }
  return given;
}

/// Runs a batch of samples at the masks of all designs. Neurons of one weight are masked in what its op gives, where that is the
/// same: its product is computed once for all masks.
class MaskedRuns {
 public:
  MaskedRuns(const SweepContext& context, const std::vector<Design>& designs, std::int64_t samples)
      : context_(context),
        designs_(designs),
        inputs_(static_cast<std::size_t>(samples * context.network.sample_shape().size())),
        moved_(context.network.parameters) {
    const Tape& tape = context.network.tape;
    PlanOptions options{.batch = samples, .outputs = {context.network.logits}};
    for (const Design& design : designs) {
      const Masked& first = design.weights.front();
      const bool alone = !context.options.joint && context.runs.leads(first.weight);
      resume_.push_back(alone ? static_cast<int>(options.resume.size()) : -1);
      given_.push_back(alone ? given_by(tape, context.weights[first.weight], first.bias) : Given{});
      if (!alone) continue;
      const bool behind = given_.back().value != no_value;
      options.resume.push_back(behind ? given_.back().value : tape.parameter_value(context.weights[first.weight]));
      if (behind) options.taps.push_back(given_.back().value);
    }
    workspace_.emplace(Plan(tape, std::move(options)));
    workspace_->bind(context.network.input, inputs_);
    for (std::size_t number = 0; number < given_.size(); ++number)
      if (given_[number].value != no_value)
        workspace_->tap(given_[number].value, [this, number](std::span<float> values) {
          if (masked_ == number) mask_values(values);
        });
  }
  MaskedRuns(const MaskedRuns&) = delete;
  MaskedRuns& operator=(const MaskedRuns&) = delete;

  std::int64_t samples() const { return workspace_->batch(); }
  void load(Range samples) {
    context_.runs.copy_inputs(samples, std::span(inputs_));
    workspace_->replay(context_.network.parameters);
  }
  /// The logits, valid until the next run.
  std::span<const float> run(std::size_t number, std::size_t mask) {
    const Design& design = designs_[number];
    const Parameters& own = context_.network.parameters;
    if (given_[number].value != no_value) {
      masked_ = number, mask_ = mask;
      workspace_->resume(static_cast<std::size_t>(resume_[number]), own);
      masked_.reset();
      return workspace_->value(context_.network.logits);
    }
    if (moved_by_ != number) moved_ = own, moved_by_ = number;
    for (const Masked& weight : design.weights) {
      const int id = context_.weights[weight.weight];
      mask_tensor(moved_, own, id, own.spec(id).output_axis, design.masks, mask, weight.first);
      if (weight.bias >= 0) mask_tensor(moved_, own, weight.bias, 0, design.masks, mask, weight.first);
    }
    if (resume_[number] >= 0)
      workspace_->resume(static_cast<std::size_t>(resume_[number]), moved_);
    else
      workspace_->replay(moved_);
    return workspace_->value(context_.network.logits);
  }

 private:
  void mask_values(std::span<float> values) {
    const Given& given = given_[*masked_];
    const Masks& masks = designs_[*masked_].masks;
    const Shape shape = context_.network.tape.node(given.value).type.at(samples());
    const auto inner = static_cast<std::size_t>(shape.size(given.axis + 1, shape.rank()));
    kept_.resize(static_cast<std::size_t>(shape[given.axis]) * inner);
    for (std::size_t i = 0; i < kept_.size(); ++i) kept_[i] = masks.keeps(mask_, i / inner) ? ~std::uint32_t{0} : 0;
    for (std::size_t first = 0; first < values.size(); first += kept_.size())
      for (std::size_t i = 0; i < kept_.size(); ++i)  // all bits or none: no branches, but vectors
        values[first + i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(values[first + i]) & kept_[i]);
  }

  const SweepContext& context_;
  const std::vector<Design>& designs_;
  std::vector<float> inputs_;
  Parameters moved_;
  std::size_t moved_by_ = 0;           // the design that masks some of them
  std::vector<Given> given_;           // by design, as the next
  std::vector<int> resume_;            // its place among the plan's; -1: several weights, or one that leads nowhere
  std::optional<std::size_t> masked_;  // the design whose neurons are masked in the run at hand
  std::size_t mask_ = 0;
  std::vector<std::uint32_t> kept_;  // [neurons, inner]
  std::optional<Workspace<float>> workspace_;
};

/// The target of samples whose logits are known.
class TargetOfLogits {
 public:
  TargetOfLogits(const SweepContext& context, Range samples) : logits_(tape_.input("logits", Shape{context.network.classes()})) {
    Var classes;
    if (reads_classes(context.target, logits_.type())) classes = tape_.input("classes", Shape{}, DType::i64);
    root_ = record_target(context.target, logits_, classes).id();
    workspace_.emplace(Plan(tape_, {.batch = samples.size(), .outputs = {root_}}));
    parameters_ = Parameters(tape_.parameters());
    if (!classes) return;
    const std::span<const std::int64_t> all = context.runs.classes();
    classes_.assign(all.begin() + samples.begin, all.begin() + samples.end);
    for (std::int64_t& one : classes_) {
      answered_.push_back(one >= 0);
      one = std::max<std::int64_t>(0, one);
    }
    workspace_->bind(classes, classes_);
  }
  TargetOfLogits(const TargetOfLogits&) = delete;
  TargetOfLogits& operator=(const TargetOfLogits&) = delete;

  /// NaN for a sample that has no class to ask for.
  float operator()(std::size_t sample) const {
    return answered_.empty() || answered_[sample] ? workspace_->value(root_)[sample] : std::numeric_limits<float>::quiet_NaN();
  }
  void update(std::span<const float> logits) {
    workspace_->bind(logits_, logits);
    workspace_->replay(parameters_);
  }

 private:
  Tape tape_;
  Var logits_;
  ValueId root_ = no_value;
  Parameters parameters_;
  std::vector<std::int64_t> classes_;
  std::vector<bool> answered_;
  std::optional<Workspace<float>> workspace_;
};

void run(std::vector<Design>& designs, const SweepContext& context) {
  const auto classes = static_cast<std::size_t>(context.network.classes());
  SharedSweeps* const shared = context.shared;
  const bool known = shared && !shared->masked_logits.empty();
  for (Design& design : designs) design.outputs.resize(static_cast<std::size_t>(context.runs.samples()) * design.masks.count);
  std::unique_ptr<MaskedRuns> runs;
  std::size_t at = 0;  // in the shared logits
  for (std::size_t batch = 0; batch < context.runs.batches(); ++batch) {
    const Range samples = context.runs.batch(batch);
    const auto count = static_cast<std::size_t>(samples.size()), first = static_cast<std::size_t>(samples.begin);
    TargetOfLogits target(context, samples);
    if (!known) {
      if (!runs || runs->samples() != samples.size()) runs = std::make_unique<MaskedRuns>(context, designs, samples.size());
      runs->load(samples);
    }
    for (std::size_t number = 0; number < designs.size(); ++number) {
      Design& design = designs[number];
      for (std::size_t mask = 0; mask < design.masks.count; ++mask, at += count * classes) {
        const std::span<const float> logits =
            known ? std::span<const float>(shared->masked_logits).subspan(at, count * classes) : runs->run(number, mask);
        if (shared && !known) shared->masked_logits.insert(shared->masked_logits.end(), logits.begin(), logits.end());
        target.update(logits);
        for (std::size_t s = 0; s < count; ++s) design.outputs[(first + s) * design.masks.count + mask] = target(s);
        context.runs.report(samples.size());
      }
    }
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
  run(all, context);
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
