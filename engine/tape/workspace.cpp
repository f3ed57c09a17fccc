#include "engine/tape/workspace.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "engine/tape/subscript.h"
#include "engine/tape/workspace_program.h"

namespace safer {

template <class T>
Workspace<T>::Workspace(std::shared_ptr<const Plan> plan, const kernels::KernelTable<T>& table)
    : plan_(std::move(plan)), table_(&table), randomness_(std::make_unique<Randomness>()) {
  const PlanOptions& options = plan_->options();
  if (options.type != dtype_of<T>)
    throw Error("workspace: the plan is for {}, the workspace for {}", name(options.type), name(dtype_of<T>));
  memory_ = aligned_bytes(plan_->bytes());
  std::memset(memory_.get(), 0, plan_->bytes());

  const Tape& tape = plan_->tape();
  constants_.resize(at(tape.size()));
  for (ValueId id = 0; id < tape.size(); ++id) {
    const Node& node = tape.node(id);
    if (node.kind == Node::Kind::constant)
      constants_[at(id)] = node.constant.to(node.type.type == DType::f32 ? dtype_of<T> : node.type.type);
    if (node.kind == Node::Kind::input) inputs_.push_back({id});
  }
  parameters_.resize(at(tape.parameters()->size()));
  hooks_.resize(options.taps.size());
  for (const ForwardStep& step : plan_->full().forward)
    if (step.norm != no_value) folded_.push_back(std::make_unique<FoldedLayer>(tape, step, options.type, constants_));
  for (const Plan::Program& program : plan_->programs()) programs_.push_back(lay_out(program));
}

template <class T>
Workspace<T>::~Workspace() = default;
template <class T>
Workspace<T>::Workspace(Workspace&&) noexcept = default;
template <class T>
Workspace<T>& Workspace<T>::operator=(Workspace&&) noexcept = default;

template <class T>
T* Workspace<T>::memory(const Plan::Place& place) const {
  using Where = Plan::Place::Where;
  if (place.where != Where::work && place.where != Where::pinned) return nullptr;
  const std::int64_t pinned = static_cast<std::int64_t>(plan_->pinned_bytes() / cache_line);
  const std::int64_t line = place.where == Where::work ? pinned + place.at : place.at;
  return reinterpret_cast<T*>(memory_.get() + at(line) * cache_line);
}

template <class T>
const void* Workspace<T>::resolve(const Plan::Place& place) const {
  using Where = Plan::Place::Where;
  switch (place.where) {
    case Where::input: return std::ranges::find(inputs_, place.at, &Input::id)->values;
    case Where::parameter: return parameters_[at(plan_->tape().node(static_cast<ValueId>(place.at)).parameter)]->raw();
    case Where::constant: return constants_[at(place.at)].raw();
    default: return memory(place);
  }
}

template <class T>
std::size_t Workspace<T>::elements(ValueId id) const {
  return at(plan_->tape().node(id).type.at(batch()).size());
}

template <class T>
void Workspace<T>::bind(ValueId id, const void* values, std::size_t count, DType type) {
  const Tape& tape = plan_->tape();
  const auto found = std::ranges::find(inputs_, id, &Input::id);
  if (found == inputs_.end()) throw Error("workspace: value {} is not an input of the tape", id);
  const Node& node = tape.node(id);
  const DType expected = node.type.type == DType::f32 ? dtype_of<T> : node.type.type;
  if (type != expected || count != elements(id))
    throw Error("input '{}': {} values of {}, expected {} of {} for shape {}", node.name, count, name(type), elements(id),
                name(expected), node.type.at(batch()));
  found->values = values;
}

template <class T>
void Workspace<T>::start(Program& program, const Parameters& parameters) {
  const auto& expected = plan_->tape().parameters();
  if (parameters.type() != dtype_of<T>)
    throw Error("workspace: parameters are {}, the plan is for {}", name(parameters.type()), name(dtype_of<T>));
  if (parameters.table() != expected) {
    if (parameters.size() != expected->size())
      throw Error("workspace: {} parameters, the tape declares {}", parameters.size(), expected->size());
    for (int id = 0; id < parameters.size(); ++id)
      if (parameters.spec(id).name != (*expected)[id].name || parameters.spec(id).shape != (*expected)[id].shape)
        throw Error("workspace: parameter {} is '{}' {}, the tape declares '{}' {}", id, parameters.spec(id).name,
                    parameters.spec(id).shape, (*expected)[id].name, (*expected)[id].shape);
  }
  for (const auto& patch : program.inputs)
    if (inputs_[patch.source].values == nullptr && elements(inputs_[patch.source].id) > 0)
      throw Error("input '{}' is not bound", plan_->tape().node(inputs_[patch.source].id).name);
  for (int id = 0; id < parameters.size(); ++id) parameters_[at(id)] = &parameters[id];
  for (const auto& patch : program.parameters) {
    patch.operand->tensor = parameters_[patch.source];
    patch.operand->value = patch.operand->tensor->raw();
  }
  for (const auto& patch : program.inputs) patch.operand->value = inputs_[patch.source].values;
  for (FoldedLayer* layer : program.folded) layer->update(parameters_);
}

template <class T>
void Workspace<T>::run(Program& program) {
  last_ = nullptr;  // until the run has ended, so that nothing reads half of it after an exception
  for (const auto& step : program.forward) {
    step.op->forward(*step.run);
    if (step.hook >= 0 && hooks_[at(step.hook)]) hooks_[at(step.hook)](step.output);
  }
  last_ = &program;
}

template <class T>
void Workspace<T>::replay(const Parameters& parameters) {
  start(*programs_.front(), parameters);
  run(*programs_.front());
  replayed_ = true;
}

template <class T>
void Workspace<T>::resume(std::size_t i, const Parameters& parameters) {
  if (i + 1 >= programs_.size()) throw Error("workspace: resume point {}, but the plan has {}", i, programs_.size() - 1);
  if (!replayed_) throw Error("workspace: resume needs a full replay before it");
  Program& program = *programs_[i + 1];
  start(program, parameters);
  std::copy(program.pinned.begin(), program.pinned.end(), program.restored.begin());
  if (program.restored_hook >= 0 && hooks_[at(program.restored_hook)]) hooks_[at(program.restored_hook)](program.restored);
  run(program);
}

template <class T>
std::span<const T> Workspace<T>::read(const Plan::Place& place, ValueId id) const {
  return {static_cast<const T*>(resolve(place)), elements(id)};
}

template <class T>
std::span<const T> Workspace<T>::value(ValueId id) const {
  using Where = Plan::Place::Where;
  const Tape& tape = plan_->tape();
  if (!last_) throw Error("workspace: nothing has been run yet");
  if (id < 0 || id >= tape.size()) throw Error("workspace: the tape has no value {}", id);
  const PlanOptions& options = plan_->options();
  Plan::Place place = last_->plan->value[at(id)];
  const bool kept = id == options.root || std::ranges::find(options.outputs, id) != options.outputs.end();
  if (place.where == Where::nowhere || (place.where == Where::work && !kept))
    throw Error("workspace: value '{}' is not kept by this plan; make it an output", tape.node(id).name);
  if (tape.node(id).type.type != DType::f32) throw Error("workspace: value '{}' holds indices", tape.node(id).name);
  return read(place, id);
}

template <class T>
void Workspace<T>::reverse(GradientSink<T>& sink, std::span<const T> seed) {
  if (!last_) throw Error("workspace: a reverse sweep needs a run before it");
  Program& program = *last_;
  const PlanOptions& options = plan_->options();
  if (options.root == no_value) throw Error("workspace: the plan has no root to sweep from");
  if (!seed.empty() && seed.size() != elements(options.root))
    throw Error("workspace: {} seeds for root '{}' of {} elements", seed.size(), plan_->tape().node(options.root).name,
                elements(options.root));
  if (sink.per_sample()) {
    if (program.plan->mixes_samples)
      throw Error(
          "per-sample gradients do not exist here: an op computes each sample from others too (batch statistics, or a sum over "
          "the batch)");
    for (const auto& offer : program.offers)
      if (offer.batch_sum && sink.wants(offer.parameter))
        throw Error("parameter '{}': per-sample gradients do not exist, because the network reads values computed from it",
                    (*plan_->tape().parameters())[offer.parameter].name);
  }
  if (program.reverse.empty()) return;
  if (seed.empty())
    std::ranges::fill(program.seed, T{1});
  else
    std::ranges::copy(seed, program.seed.begin());

  auto offer = program.offers.begin();
  for (std::size_t k = 0; k < program.reverse.size(); ++k) {
    const auto& step = program.reverse[k];
    if (step.differentiate) step.op->reverse(*step.run);
    for (const auto& shared : step.shared) {
      const Shape& shape = step.run->shape(shared.input);
      step.op->shared_gradient(*step.run, shared.input, {0, batch()}, {0, shape.rank() == 0 ? 1 : shape[0]}, shared.gradient,
                               shared.accumulate);
    }
    for (; offer != program.offers.end() && offer->step == k; ++offer)
      if (sink.wants(offer->parameter))
        sink.fold(ParameterGradient<T>(offer->parameter, (*plan_->tape().parameters())[offer->parameter].shape, batch(),
                                       offer->uses, offer->batch_sum));
  }
}

template <class T>
std::span<const T> Workspace<T>::gradient(ValueId id) const {
  const Tape& tape = plan_->tape();
  if (!last_) throw Error("workspace: nothing has been run yet");
  if (id < 0 || id >= tape.size()) throw Error("workspace: the tape has no value {}", id);
  const PlanOptions& options = plan_->options();
  const Plan::Place& place = last_->plan->gradient[at(id)];
  if (place.where == Plan::Place::Where::nowhere || std::ranges::find(options.gradients, id) == options.gradients.end())
    throw Error("workspace: the gradient of value '{}' is not kept by this plan", tape.node(id).name);
  return read(place, id);
}

template <class T>
void Workspace<T>::tap(ValueId id, std::function<void(std::span<T>)> hook) {
  const auto found = std::ranges::find(plan_->options().taps, id);
  if (found == plan_->options().taps.end()) throw Error("workspace: value {} is not a tap of this plan", id);
  if (plan_->tape().node(id).type.type != DType::f32)
    throw Error("workspace: value '{}' holds indices", plan_->tape().node(id).name);
  hooks_[at(found - plan_->options().taps.begin())] = std::move(hook);
}

template class Workspace<float>;
template class Workspace<double>;

}  // namespace safer
