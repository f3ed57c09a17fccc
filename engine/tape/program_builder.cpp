#include "engine/tape/program_builder.h"

#include <algorithm>
#include <numeric>

#include "engine/aligned.h"
#include "engine/tape/subscript.h"

namespace safer {

ProgramBuilder::ProgramBuilder(const Tape& tape, const PlanOptions& options, const std::vector<ForwardStep>& steps,
                               const std::vector<bool>& recompute, ValueId resumed, const std::vector<bool>& pinned,
                               const Plan::Program* full)
    : tape_(tape), options_(options), recompute_(recompute), pinned_(pinned), full_(full) {
  if (resumed != no_value && tape_.node(resumed).kind == Node::Kind::op) program_.resumed = resumed;
  const std::size_t count = at(tape_.size());
  active_.assign(count, false);
  batch_only_.assign(count, false);
  own_.assign(count, false);
  list_forward(steps);
  if (program_.resumed != no_value) own_[at(program_.resumed)] = true;
  values_.assign(count, {});
  gradients_.assign(count, {});
  value_root_.resize(count);
  gradient_root_.resize(count);
  std::iota(value_root_.begin(), value_root_.end(), 0);
  std::iota(gradient_root_.begin(), gradient_root_.end(), 0);
  pinned_root_.assign(count, false);

  // What a resumed sweep may reach besides recomputed nodes: the resume point itself and parameters.
  for (ValueId id = 0; id < tape_.size(); ++id) {
    const bool reachable = full_ == nullptr || id == resumed || tape_.node(id).kind == Node::Kind::parameter;
    active_[at(id)] = reachable && is_wanted(id);
  }
}

Plan::Program ProgramBuilder::build() {
  find_active();
  list_reverse();
  plan_offers();
  for (Plan::ReverseStep& step : program_.reverse) direct_gradients(step);
  measure_values();
  measure_gradients();
  share_values();
  share_gradients();
  place_all();
  return std::move(program_);
}

bool ProgramBuilder::is_wanted(ValueId id) const { return std::ranges::find(options_.gradients, id) != options_.gradients.end(); }

bool ProgramBuilder::offered(ValueId id) const { return tape_.node(id).kind == Node::Kind::parameter && !batch_only_[at(id)]; }

bool ProgramBuilder::is_shared_use(ValueId node, ValueId input) const {
  return tape_.node(node).type.batched() && !tape_.node(input).type.batched();
}

void ProgramBuilder::find_active() {
  for (ValueId id = 0; id < tape_.size(); ++id)
    if (recompute_[at(id)] && !active_[at(id)])
      active_[at(id)] = std::ranges::any_of(tape_.node(id).inputs, [&](ValueId input) { return active_[at(input)]; });
}

void ProgramBuilder::list_forward(const std::vector<ForwardStep>& steps) {
  for (const ForwardStep& step : steps) {
    if (!recompute_[at(step.op)]) continue;
    program_.forward.push_back(step);
    own_[at(step.value)] = true;
  }
}

void ProgramBuilder::list_reverse() {
  if (options_.root == no_value || !recompute_[at(options_.root)] || !active_[at(options_.root)]) return;
  std::vector<bool> reached(at(tape_.size()), false);
  reached[at(options_.root)] = true;
  for (ValueId id = options_.root; id >= 0; --id) {
    if (!reached[at(id)] || !recompute_[at(id)] || !active_[at(id)]) continue;
    const Node& node = tape_.node(id);
    Plan::ReverseStep step{.node = id};
    for (const ValueId input : node.inputs) {
      step.wanted.push_back(active_[at(input)]);
      reached[at(input)] = reached[at(input)] || active_[at(input)];
    }
    if (std::ranges::find(step.wanted, true) == step.wanted.end()) continue;
    const bool folds_batch =
        !node.type.batched() && std::ranges::any_of(node.inputs, [&](ValueId input) { return tape_.node(input).type.batched(); });
    program_.mixes_samples = program_.mixes_samples || folds_batch || node.op->mixes_samples(options_.mode);
    program_.reverse.push_back(std::move(step));
  }
}

void ProgramBuilder::plan_offers() {
  // A gradient that flows through values computed from the parameter exists as the batch's sum only.
  for (const Plan::ReverseStep& step : program_.reverse)
    for (const ValueId input : tape_.node(step.node).inputs)
      if (active_[at(input)] && tape_.node(input).kind == Node::Kind::parameter && !is_shared_use(step.node, input))
        batch_only_[at(input)] = program_.batch_only = true;

  std::vector<bool> done(at(tape_.size()), false);
  for (std::size_t k = program_.reverse.size(); k-- > 0;) {
    Plan::ReverseStep& step = program_.reverse[k];
    for (const ValueId input : tape_.node(step.node).inputs) {
      if (!active_[at(input)] || tape_.node(input).kind != Node::Kind::parameter || done[at(input)]) continue;
      done[at(input)] = true;
      Plan::Offer offer{.parameter = tape_.node(input).parameter, .value = input, .batch_only = batch_only_[at(input)]};
      for (std::size_t use = program_.reverse.size(); use-- > 0;) {
        const std::vector<ValueId>& inputs = tape_.node(program_.reverse[use].node).inputs;
        for (std::size_t i = 0; i < inputs.size(); ++i)
          if (inputs[i] == input) offer.uses.emplace_back(program_.reverse[use].node, static_cast<int>(i));
      }
      step.offers.push_back(std::move(offer));
    }
  }
}

void ProgramBuilder::direct_gradients(Plan::ReverseStep& step) {
  const std::vector<ValueId>& inputs = tape_.node(step.node).inputs;
  step.accumulate.assign(inputs.size(), false);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!step.wanted[i] || offered(inputs[i])) continue;
    if (is_shared_use(step.node, inputs[i]))
      step.shared_inputs.push_back(static_cast<int>(i));
    else
      step.differentiate = true;
    // A gradient that was touched before has a lifetime already; later steps add to it.
    Lifetime& piece = gradients_[at(inputs[i])];
    step.accumulate[i] = piece.lines > 0;
    if (!step.accumulate[i]) {
      piece.lines = lines(inputs[i]);
      piece.first = piece.last = reverse_time(static_cast<std::size_t>(&step - program_.reverse.data()));
    }
  }
}

std::int64_t ProgramBuilder::lines(ValueId id) const {
  const ValueType& type = tape_.node(id).type;
  const std::size_t element = size_of(type.type == DType::f32 ? options_.type : type.type);
  const std::size_t bytes = static_cast<std::size_t>(type.at(options_.batch).size()) * element;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>((bytes + cache_line - 1) / cache_line));
}

void ProgramBuilder::extend(std::vector<Lifetime>& pieces, ValueId id, int time) const {
  pieces[at(id)].last = std::max(pieces[at(id)].last, time);
}

void ProgramBuilder::measure_values() {
  if (program_.resumed != no_value) values_[at(program_.resumed)] = {lines(program_.resumed), 0, 0};
  for (std::size_t t = 0; t < program_.forward.size(); ++t) {
    const ForwardStep& step = program_.forward[t];
    values_[at(step.value)] = {lines(step.value), static_cast<int>(t), static_cast<int>(t)};
    for (const ValueId input : inputs_of(tape_, step)) extend(values_, input, static_cast<int>(t));
  }
  // What a sweep reads stays until the end rather than until it was read, so that one run can be swept any number of times.
  for (const Plan::ReverseStep& step : program_.reverse) {
    const Node& node = tape_.node(step.node);
    for (int wanted = 0; wanted < static_cast<int>(node.inputs.size()); ++wanted) {
      if (!step.wanted[static_cast<std::size_t>(wanted)]) continue;
      for (int input = 0; input < static_cast<int>(node.inputs.size()); ++input)
        if (node.op->gradient_reads_input(wanted, input)) extend(values_, node.inputs[static_cast<std::size_t>(input)], end_time());
      if (node.op->gradient_reads_output(wanted)) extend(values_, step.node, end_time());
    }
  }
  for (const ValueId id : options_.outputs) extend(values_, id, end_time());
  if (options_.root != no_value) extend(values_, options_.root, end_time());
  if (full_ == nullptr)
    for (ValueId id = 0; id < tape_.size(); ++id)
      if (pinned_[at(id)]) pinned_root_[at(id)] = true;
}

void ProgramBuilder::measure_gradients() {
  if (program_.reverse.empty()) return;
  Lifetime& seed = gradients_[at(options_.root)];
  seed = {lines(options_.root), reverse_time(0), reverse_time(0)};
  for (std::size_t k = 0; k < program_.reverse.size(); ++k) {
    const Plan::ReverseStep& step = program_.reverse[k];
    extend(gradients_, step.node, reverse_time(k));
    for (const Plan::Offer& offer : step.offers) {
      if (offer.batch_only)
        extend(gradients_, offer.value, reverse_time(k));
      else
        for (const auto& [node, input] : offer.uses) extend(gradients_, node, reverse_time(k));
    }
    for (const ValueId input : tape_.node(step.node).inputs)
      if (gradients_[at(input)].lines > 0) extend(gradients_, input, reverse_time(k));
  }
  for (const ValueId id : options_.gradients)
    if (gradients_[at(id)].lines > 0 && !offered(id)) extend(gradients_, id, end_time());
}

void ProgramBuilder::share_values() {
  const auto tapped = [&](ValueId id) { return std::ranges::find(options_.taps, id) != options_.taps.end(); };
  for (std::size_t t = 0; t < program_.forward.size(); ++t) {
    const ValueId id = program_.forward[t].value;
    if (id != program_.forward[t].op) continue;  // what is fused overlaps nothing that it reads
    const Node& node = tape_.node(id);
    ValueId base = no_value;
    if (node.op->is_view() && !tapped(id)) {
      base = value_root_[at(node.inputs[0])];
    } else {
      for (std::size_t i = 0; i < node.inputs.size() && base == no_value; ++i) {
        const ValueId root = value_root_[at(node.inputs[i])];
        if (node.op->in_place(static_cast<int>(i)) && own_[at(root)] && !pinned_root_[at(root)] &&
            values_[at(root)].last == static_cast<int>(t) && lines(node.inputs[i]) == lines(id) &&
            node.type == tape_.node(node.inputs[i]).type)
          base = root;
      }
    }
    if (base == no_value) continue;
    value_root_[at(id)] = base;
    extend(values_, base, values_[at(id)].last);
    if (pinned_root_[at(id)]) pinned_root_[at(base)] = true;
    values_[at(id)] = {};
  }
}

void ProgramBuilder::share_gradients() {
  for (std::size_t k = 0; k < program_.reverse.size(); ++k) {
    const Plan::ReverseStep& step = program_.reverse[k];
    const Node& node = tape_.node(step.node);
    if (!step.differentiate || !step.shared_inputs.empty() || std::ranges::count(step.wanted, true) != 1) continue;
    const auto i = static_cast<std::size_t>(std::ranges::find(step.wanted, true) - step.wanted.begin());
    const ValueId input = node.inputs[i], root = gradient_root_[at(step.node)];
    if (!node.op->gradient_in_place(static_cast<int>(i)) || step.accumulate[i] || gradients_[at(root)].last != reverse_time(k) ||
        tape_.node(input).type != node.type)
      continue;
    gradient_root_[at(input)] = root;
    extend(gradients_, root, gradients_[at(input)].last);
    gradients_[at(input)] = {};
  }
}

void ProgramBuilder::place_all() {
  const std::size_t count = at(tape_.size());
  // Values first, then gradients, then the scratch of all ops, in one list of pieces.
  std::vector<Lifetime> pieces = values_;
  pieces.insert(pieces.end(), gradients_.begin(), gradients_.end());
  std::int64_t scratch = 0;
  const auto needs_scratch = [&](const ForwardStep& step) {
    const Node& node = tape_.node(step.op);
    std::vector<Shape> shapes;
    for (const ValueId input : node.inputs) shapes.push_back(tape_.node(input).type.at(options_.batch));
    scratch = std::max(scratch, node.op->scratch(shapes, node.type.at(options_.batch)));
  };
  std::ranges::for_each(program_.forward, needs_scratch);
  const std::int64_t scratch_lines =
      (scratch * static_cast<std::int64_t>(size_of(options_.type)) + static_cast<std::int64_t>(cache_line) - 1) /
      static_cast<std::int64_t>(cache_line);
  pieces.push_back({scratch_lines, 0, end_time()});

  for (std::size_t id = 0; id < count; ++id)
    if (pinned_root_[id] && own_[id]) {
      pieces[id].at = program_.pinned_lines;
      program_.pinned_lines += pieces[id].lines;
      pieces[id].lines = 0;  // outside the work memory
    }
  program_.work_lines = place(pieces);

  program_.value.resize(count);
  program_.gradient.resize(count);
  for (ValueId id = 0; id < tape_.size(); ++id) {
    const ValueId root = value_root_[at(id)];
    Plan::Place& place = program_.value[at(id)];
    switch (tape_.node(root).kind) {
      case Node::Kind::input: place = {Where::input, root}; break;
      case Node::Kind::parameter: place = {Where::parameter, root}; break;
      case Node::Kind::constant: place = {Where::constant, root}; break;
      case Node::Kind::op:
        if (own_[at(root)])
          place = {pinned_root_[at(root)] ? Where::pinned : Where::work, pieces[at(root)].at};
        else if (full_ && full_->value[at(root)].where != Where::work)
          place = full_->value[at(root)];
    }
    const std::size_t gradient = count + at(gradient_root_[at(id)]);
    if (pieces[gradient].lines > 0) program_.gradient[at(id)] = {Where::work, pieces[gradient].at};
  }
  program_.scratch = {Where::work, pieces.back().at};
}

}  // namespace safer
