#include "engine/tape/plan.h"

#include <algorithm>

#include "engine/aligned.h"
#include "engine/error.h"
#include "engine/tape/program_builder.h"

namespace safer {
namespace {

void require(bool condition, const Tape& tape, ValueId id, std::string_view role, std::string_view expected) {
  if (!condition) throw Error("plan: value '{}' cannot be {}: {}", tape.node(id).name, role, expected);
}

void check(const Tape& tape, const PlanOptions& options) {
  if (options.batch < 1) throw Error("plan: batch size {}, expected at least 1", options.batch);
  if (options.type != DType::f32 && options.type != DType::f64)
    throw Error("plan: type {}, expected f32 or f64", name(options.type));
  const auto known = [&](ValueId id) {
    if (id < 0 || id >= tape.size()) throw Error("plan: the tape has {} values, there is no value {}", tape.size(), id);
  };
  std::ranges::for_each(options.outputs, known);
  std::ranges::for_each(options.gradients, known);
  std::ranges::for_each(options.resume, known);
  std::ranges::for_each(options.taps, known);
  if (options.root != no_value) known(options.root);
  if (options.root == no_value && !options.gradients.empty()) throw Error("plan: gradients are wanted, but of which root?");
  if (options.root == no_value && options.outputs.empty()) throw Error("plan: neither outputs nor a root to compute");
}

/// Nodes that some output or the root is computed from.
std::vector<bool> needed_nodes(const Tape& tape, const std::vector<ValueId>& ends) {
  std::vector<bool> needed(static_cast<std::size_t>(tape.size()), false);
  for (const ValueId end : ends) needed[static_cast<std::size_t>(end)] = true;
  for (ValueId id = tape.size() - 1; id >= 0; --id)
    if (needed[static_cast<std::size_t>(id)])
      for (const ValueId input : tape.node(id).inputs) needed[static_cast<std::size_t>(input)] = true;
  return needed;
}

/// Needed op nodes that depend on `changed`, without itself.
std::vector<bool> downstream(const Tape& tape, const std::vector<bool>& needed, ValueId changed) {
  std::vector<bool> depends(static_cast<std::size_t>(tape.size()), false);
  for (ValueId id = changed + 1; id < tape.size(); ++id)
    depends[static_cast<std::size_t>(id)] =
        needed[static_cast<std::size_t>(id)] && std::ranges::any_of(tape.node(id).inputs, [&](ValueId input) {
          return input == changed || depends[static_cast<std::size_t>(input)];
        });
  return depends;
}

/// Values that must exist as the tape has them: no fusion crosses them.
std::vector<bool> visible(const Tape& tape, const PlanOptions& options, const std::vector<bool>& pinned) {
  if (!options.fuse || !options.gradients.empty()) return std::vector<bool>(static_cast<std::size_t>(tape.size()), true);
  std::vector<bool> found = pinned;
  for (const std::vector<ValueId>& wanted : {options.outputs, options.taps})
    for (const ValueId id : wanted) found[static_cast<std::size_t>(id)] = true;
  if (options.root != no_value) found[static_cast<std::size_t>(options.root)] = true;
  return found;
}

}  // namespace

Plan::Plan(const Tape& tape, PlanOptions options) : tape_(tape), options_(std::move(options)) {
  check(tape_, options_);
  std::vector<ValueId> ends = options_.outputs;
  if (options_.root != no_value) ends.push_back(options_.root);
  const std::vector<bool> needed = needed_nodes(tape_, ends);
  const auto is_op = [&](ValueId id) { return tape_.node(id).kind == Node::Kind::op; };
  for (const ValueId id : options_.taps)
    require(is_op(id) && needed[static_cast<std::size_t>(id)], tape_, id, "tapped",
            "only a computed value that leads to an output can be");
  for (const ValueId id : options_.resume)
    require(needed[static_cast<std::size_t>(id)] && tape_.node(id).kind != Node::Kind::constant, tape_, id, "a resume point",
            "only an input, a parameter or a computed value that leads to an output can be");
  if (!options_.gradients.empty()) {
    const std::vector<bool> of_root = needed_nodes(tape_, {options_.root});
    for (const ValueId id : options_.gradients)
      require(of_root[static_cast<std::size_t>(id)] && tape_.node(id).type.type == DType::f32, tape_, id, "differentiated by",
              "the root does not depend on it");
  }

  std::vector<bool> pinned(static_cast<std::size_t>(tape_.size()), false);
  std::vector<std::vector<bool>> recomputed;
  for (const ValueId id : options_.resume) {
    recomputed.push_back(downstream(tape_, needed, id));
    if (is_op(id)) pinned[static_cast<std::size_t>(id)] = true;
    for (ValueId reader = 0; reader < tape_.size(); ++reader)
      if (recomputed.back()[static_cast<std::size_t>(reader)])
        for (const ValueId input : tape_.node(reader).inputs)
          if (is_op(input) && !recomputed.back()[static_cast<std::size_t>(input)]) pinned[static_cast<std::size_t>(input)] = true;
  }

  std::vector<bool> all(static_cast<std::size_t>(tape_.size()));
  for (ValueId id = 0; id < tape_.size(); ++id)
    all[static_cast<std::size_t>(id)] = needed[static_cast<std::size_t>(id)] && is_op(id);
  const std::vector<ForwardStep> steps = forward_steps(tape_, all, visible(tape_, options_, pinned), options_.mode);
  programs_.push_back(ProgramBuilder(tape_, options_, steps, all, no_value, pinned, nullptr).build());
  pinned_lines_ = programs_.front().pinned_lines;
  for (std::size_t i = 0; i < options_.resume.size(); ++i)
    programs_.push_back(
        ProgramBuilder(tape_, options_, steps, recomputed[i], options_.resume[i], pinned, &programs_.front()).build());
  for (const Program& program : programs_) work_lines_ = std::max(work_lines_, program.work_lines);
}

std::vector<std::string> Plan::listing() const {
  std::vector<std::string> steps;
  for (const ForwardStep& step : full().forward) steps.push_back(text(tape_, step));
  return steps;
}

}  // namespace safer
