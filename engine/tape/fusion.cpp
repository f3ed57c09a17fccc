#include "engine/tape/fusion.h"

#include <algorithm>
#include <span>

#include "engine/tape/subscript.h"

namespace safer {
namespace {

/// Lists steps in the order of their first ops.
class StepFinder {
 public:
  StepFinder(const Tape& tape, const std::vector<bool>& computed, const std::vector<bool>& visible, Mode mode)
      : tape_(tape),
        computed_(computed),
        visible_(visible),
        mode_(mode),
        reads_(at(tape.size()), 0),
        reader_(at(tape.size()), no_value) {
    for (ValueId id = 0; id < tape.size(); ++id) {
      done_.push_back(tape.node(id).kind != Node::Kind::op);
      if (!computed[at(id)]) continue;
      for (const ValueId input : tape.node(id).inputs) {
        ++reads_[at(input)];
        reader_[at(input)] = id;
      }
    }
  }

  std::vector<ForwardStep> find() {
    std::vector<ForwardStep> steps;
    std::vector<bool> fused(at(tape_.size()), false);
    for (ValueId id = 0; id < tape_.size(); ++id) {
      if (!computed_[at(id)] || fused[at(id)]) continue;
      ForwardStep step{.op = id, .value = id};
      if (tape_.node(id).op->accepts_epilogue()) {
        take_norm(step);
        take_sum(step);
        take_activation(step);
      }
      for (const ValueId part : {step.norm, step.sum, step.activation})
        if (part != no_value) fused[at(part)] = true;
      done_[at(step.value)] = true;
      steps.push_back(step);
    }
    return steps;
  }

 private:
  /// The op that could be fused with what the step leaves so far; no_value: that must exist.
  ValueId next(const ForwardStep& step) const {
    const bool hidden = !visible_[at(step.value)] && reads_[at(step.value)] == 1;
    return hidden ? reader_[at(step.value)] : no_value;
  }

  void take_norm(ForwardStep& step) const {
    const ValueId id = next(step);
    const std::optional<OutputChannels> channels = tape_.node(step.op).op->output_channels();
    if (id == no_value || !channels || !tape_.node(id).op->scales_channels(mode_)) return;
    const int rank = tape_.node(step.op).type.shape.rank();
    if ((channels->output_axis + rank) % rank != 1) return;
    for (const ValueId node : {step.op, id})
      if (!std::ranges::all_of(std::span(tape_.node(node).inputs).subspan(1), [&](ValueId input) { return is_stored(input); }))
        return;
    step.norm = step.value = id;
  }

  bool is_stored(ValueId id) const {
    return tape_.node(id).kind == Node::Kind::parameter || tape_.node(id).kind == Node::Kind::constant;
  }

  void take_sum(ForwardStep& step) const {
    const ValueId id = next(step);
    if (id == no_value || !tape_.node(id).op->is_sum()) return;
    const std::vector<ValueId>& terms = tape_.node(id).inputs;
    const ValueId other = terms[0] == step.value ? terms[1] : terms[0];
    if (!done_[at(other)] || tape_.node(other).type != tape_.node(step.value).type) return;
    step.sum = step.value = id;
    step.residual = other;
  }

  void take_activation(ForwardStep& step) const {
    const ValueId id = next(step);
    if (id == no_value || !tape_.node(id).op->as_activation()) return;
    step.activation = step.value = id;
  }

  const Tape& tape_;
  const std::vector<bool>&computed_, &visible_;
  Mode mode_;
  std::vector<int> reads_;       // by value: how many inputs of computed nodes it stands at
  std::vector<ValueId> reader_;  // by value: the last of those nodes
  std::vector<bool> done_;       // by value: it is there when the step that is being found runs
};

}  // namespace

std::vector<ForwardStep> forward_steps(const Tape& tape, const std::vector<bool>& computed, const std::vector<bool>& visible,
                                       Mode mode) {
  return StepFinder(tape, computed, visible, mode).find();
}

std::vector<ValueId> inputs_of(const Tape& tape, const ForwardStep& step) {
  std::vector<ValueId> inputs = tape.node(step.op).inputs;
  if (step.norm != no_value) {
    const std::vector<ValueId>& norm = tape.node(step.norm).inputs;
    inputs.insert(inputs.end(), norm.begin() + 1, norm.end());
  }
  if (step.residual != no_value) inputs.push_back(step.residual);
  return inputs;
}

std::string text(const Tape& tape, const ForwardStep& step) {
  std::string names = tape.node(step.op).name;
  for (const ValueId part : {step.norm, step.sum, step.activation})
    if (part != no_value) names += " + " + tape.node(part).name;
  return names;
}

}  // namespace safer
