#include <algorithm>

#include "engine/random.h"
#include "engine/tape/subscript.h"
#include "engine/tape/workspace_program.h"

namespace safer {

/// Resolves one program of a plan to pointers into a workspace.
template <class T>
class WorkspaceLayout {
 public:
  using Program = typename Workspace<T>::Program;

  WorkspaceLayout(const Workspace<T>& workspace, const Plan::Program& from)
      : workspace_(workspace), tape_(workspace.plan().tape()), from_(from), to_(std::make_unique<Program>()) {}

  std::unique_ptr<Program> build() {
    to_->plan = &from_;
    std::size_t operands = 0;
    for (const ForwardStep& step : from_.forward) operands += operands_of(step);
    to_->operands.resize(operands);  // pointed to, like the runs: neither may move
    to_->runs.reserve(from_.forward.size());
    std::span<Operand<T>> rest = to_->operands;
    for (const ForwardStep& step : from_.forward) {
      add_step(step, rest.first(operands_of(step)));
      rest = rest.subspan(operands_of(step));
    }
    if (!from_.reverse.empty()) add_sweep();
    if (from_.resumed != no_value) {
      const Plan::Place& full = workspace_.plan().full().value[at(from_.resumed)];
      to_->pinned = {static_cast<const T*>(workspace_.resolve(full)), workspace_.elements(from_.resumed)};
      to_->restored = {memory(from_.value[at(from_.resumed)]), workspace_.elements(from_.resumed)};
      to_->restored_hook = hook_of(from_.resumed);
    }
    return std::move(to_);
  }

 private:
  T* memory(const Plan::Place& place) const { return workspace_.memory(place); }

  /// The place of a tap's hook, or -1.
  int hook_of(ValueId id) const {
    const std::vector<ValueId>& taps = workspace_.plan().options().taps;
    const auto found = std::ranges::find(taps, id);
    return found == taps.end() ? -1 : static_cast<int>(found - taps.begin());
  }

  void add_step(const ForwardStep& step, std::span<Operand<T>> operands) {
    const Node& node = tape_.node(step.op);
    for (std::size_t i = 0; i < arguments(step); ++i)
      if (step.norm == no_value || i == 0) set_operand(operands[i], node.inputs[i]);
    if (step.norm != no_value) set_folded(operands, step);
    if (step.residual != no_value) set_operand(operands.back(), step.residual);

    Run<T> run;
    run.operands = operands.first(arguments(step));
    run.output = memory(from_.value[at(step.value)]);
    run.output_gradient = memory(from_.gradient[at(step.value)]);
    run.scratch_memory = memory(from_.scratch);
    run.output_shape = node.type.at(workspace_.batch());
    run.samples = workspace_.batch();
    run.output_batch_axis = node.type.batch_axis;
    run.name_hash = hash(node.name);
    run.table = workspace_.table_;
    run.randomness = workspace_.randomness_.get();
    run.mode = workspace_.plan().options().mode;
    if (step.residual != no_value) run.residual = &operands.back();
    if (step.activation != no_value) run.activation = tape_.node(step.activation).op->as_activation();
    to_->runs.push_back(run);

    const bool nothing_to_do = node.op->is_view() && from_.value[at(node.inputs[0])] == from_.value[at(step.value)];
    if (!nothing_to_do)
      to_->forward.push_back(
          {node.op.get(), &to_->runs.back(), hook_of(step.value), {run.output, workspace_.elements(step.value)}});
  }

  /// Inputs of the step's op: x, weight and bias where a norm is folded into them.
  std::size_t arguments(const ForwardStep& step) const { return step.norm == no_value ? tape_.node(step.op).inputs.size() : 3; }
  std::size_t operands_of(const ForwardStep& step) const { return arguments(step) + (step.residual == no_value ? 0 : 1); }

  void set_folded(std::span<Operand<T>> operands, const ForwardStep& step) {
    FoldedLayer& layer = **std::ranges::find(workspace_.folded_, step.op, [](const auto& folded) { return folded->op(); });
    to_->folded.push_back(&layer);
    const Tensor* const folded[] = {&layer.weight(), &layer.bias()};
    for (std::size_t i = 0; i < 2; ++i) {
      operands[i + 1].value = folded[i]->raw();
      operands[i + 1].tensor = folded[i];
      operands[i + 1].shape = folded[i]->shape();
    }
  }

  void set_operand(Operand<T>& operand, ValueId value) {
    using Where = Plan::Place::Where;
    const Plan::Place& place = from_.value[at(value)];
    operand.shape = tape_.node(value).type.at(workspace_.batch());
    operand.batched = tape_.node(value).type.batched();
    if (place.where == Where::parameter)
      to_->parameters.push_back({&operand, at(tape_.node(static_cast<ValueId>(place.at)).parameter)});
    else if (place.where == Where::input)
      to_->inputs.push_back(
          {&operand, at(std::ranges::find(workspace_.inputs_, place.at, &Workspace<T>::Input::id) - workspace_.inputs_.begin())});
    else
      operand.value = workspace_.resolve(place);
  }

  void add_sweep() {
    // A plan with gradients fuses nothing: each run is that of one node.
    std::vector<Run<T>*> run_of(at(tape_.size()), nullptr);
    for (std::size_t t = 0; t < from_.forward.size(); ++t) run_of[at(from_.forward[t].op)] = &to_->runs[t];
    for (std::size_t k = 0; k < from_.reverse.size(); ++k) {
      const Plan::ReverseStep& step = from_.reverse[k];
      const Node& node = tape_.node(step.node);
      set_gradients(step, run_of[at(step.node)]->operands);
      typename Program::Reverse reverse{node.op.get(), run_of[at(step.node)], step.differentiate, {}};
      for (const int input : step.shared_inputs)
        reverse.shared.push_back({input, memory(from_.gradient[at(node.inputs[at(input)])]), step.accumulate[at(input)]});
      to_->reverse.push_back(std::move(reverse));
      for (const Plan::Offer& offer : step.offers) {
        typename Program::Offered offered{k, offer.parameter, {}, nullptr};
        if (offer.batch_only) offered.batch_sum = memory(from_.gradient[at(offer.value)]);
        for (const auto& [use, input] : offer.uses) offered.uses.push_back({tape_.node(use).op.get(), run_of[at(use)], input});
        to_->offers.push_back(std::move(offered));
      }
    }
    const ValueId root = workspace_.plan().options().root;
    to_->seed = {memory(from_.gradient[at(root)]), workspace_.elements(root)};
  }

  void set_gradients(const Plan::ReverseStep& step, std::span<Operand<T>> operands) {
    const Node& node = tape_.node(step.node);
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (!step.wanted[i]) continue;
      operands[i].wanted = true;
      operands[i].accumulate = step.accumulate[i];
      const bool is_shared = node.type.batched() && !operands[i].batched;
      if (!is_shared) operands[i].grad = memory(from_.gradient[at(node.inputs[i])]);
    }
  }

  const Workspace<T>& workspace_;
  const Tape& tape_;
  const Plan::Program& from_;
  std::unique_ptr<Program> to_;
};

template <class T>
auto Workspace<T>::lay_out(const Plan::Program& from) -> std::unique_ptr<Program> {
  return WorkspaceLayout<T>(*this, from).build();
}
template auto Workspace<float>::lay_out(const Plan::Program&) -> std::unique_ptr<Program>;
template auto Workspace<double>::lay_out(const Plan::Program&) -> std::unique_ptr<Program>;

}  // namespace safer
