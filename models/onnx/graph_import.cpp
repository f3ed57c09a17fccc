#include "models/onnx/graph_import.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/error.h"
#include "models/formats/file.h"
#include "models/onnx/fold.h"
#include "models/onnx/import.h"
#include "models/onnx/operators.h"
#include "models/onnx/recognise.h"

namespace safer::onnx {
namespace {

/// node "conv1" (Conv); a node without a name goes by its first output.
std::string title(const Node& node) {
  const std::string operation = excerpt(node.domain.empty() ? node.op : node.domain + "." + node.op);
  const std::string& name = node.name.empty() && !node.outputs.empty() ? node.outputs[0] : node.name;
  return fmt::format("node {} ({})", excerpt(name), std::string_view(operation).substr(1, operation.size() - 2));
}

}  // namespace

GraphImport::GraphImport(const Model& model, std::string_view file, Tape& tape)
    : model_(model), file_(file), tape_(tape), weights_(tape) {
  const auto opset = model.opsets.find("");
  if (opset == model.opsets.end())
    throw Error("{}: names no opset of ONNX's own operators, expected {} to {}", file, oldest_opset, newest_opset);
  opset_ = opset->second;
  if (opset_ < oldest_opset || opset_ > newest_opset)
    throw Error("{}: opset {}, expected {} to {}; export the network with one of these", file, opset_, oldest_opset, newest_opset);
  for (const auto& [name, tensor] : model.graph.initializers) {
    budget_ += tensor.size();
    values_[name] = {std::make_shared<const Known>(Known{tensor, {}, name}), {}};
  }
  constexpr std::int64_t at_least = std::int64_t{1} << 22, copies = 4;
  budget_ = at_least + copies * budget_;
  for (const ValueInfo& output : model.graph.outputs) read_.insert(output.name);
  for (const Node& node : model.graph.nodes) read_.insert(node.inputs.begin(), node.inputs.end());
  read_.erase("");
  for (const Node& node : model.graph.nodes)
    for (const std::string& output : node.outputs)
      if (!output.empty() && !producers_.emplace(output, &node).second)
        throw Error("{}: {}: value {} is computed twice", file, title(node), excerpt(output));
}

const Node* GraphImport::producer(const std::string& name) const {
  const auto found = producers_.find(name);
  return found == producers_.end() ? nullptr : found->second;
}

const Value* GraphImport::value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

std::vector<const Node*> GraphImport::needed_for(const std::string& output) const {
  std::set<const Node*> needed;
  std::vector<std::string> open{output};
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    const Node* node = values_.contains(name) ? nullptr : producer(name);
    if (node && needed.insert(node).second) open.insert(open.end(), node->inputs.begin(), node->inputs.end());
  }
  std::vector<const Node*> in_order;
  for (const Node& node : model_.graph.nodes)
    if (needed.contains(&node)) in_order.push_back(&node);
  return in_order;
}

Value GraphImport::record(const std::string& output) {
  for (const Node* node : needed_for(output)) import(*node);
  if (!problems_.empty())
    throw Error("{}: {} node{} cannot be imported: {}", file_, problems_.size(), problems_.size() == 1 ? "" : "s",
                fmt::join(problems_, "; "));
  const Value* found = value(output);
  if (!found) throw Error("{}: output {} is computed by no node", file_, excerpt(output));
  return *found;
}

void GraphImport::import(const Node& node) {
  const bool reads_failed = std::ranges::any_of(node.inputs, [&](const std::string& name) { return failed_.contains(name); });
  const auto fail = [&] { failed_.insert(node.outputs.begin(), node.outputs.end()); };
  const Operator* row = node.domain.empty() ? find_operator(node.op) : nullptr;
  // What follows a node that failed is not tried, but looked at: all unknown operators are to be named at once.
  if (reads_failed && (row || (node.domain.empty() && find_fold(node.op)))) return fail();
  const ValueId first = tape_.size();
  try {
    const std::vector<Value> outputs = outputs_of(node);
    check_new_values(first);
    for (std::size_t i = 0; i < std::min(outputs.size(), node.outputs.size()); ++i)
      if (!node.outputs[i].empty()) values_[node.outputs[i]] = outputs[i];
  } catch (const Error& error) {
    problems_.push_back(fmt::format("{}: {}", title(node), error.what()));
    fail();
  }
}

std::vector<Value> GraphImport::outputs_of(const Node& node) {
  const Operator* row = node.domain.empty() ? find_operator(node.op) : nullptr;
  if (!row && !(node.domain.empty() && find_fold(node.op))) throw Error("the operator is not supported");
  std::vector<Value> inputs;
  for (const std::string& name : node.inputs) {
    const Value* found = name.empty() ? nullptr : value(name);
    if (!name.empty() && !found) throw Error("input {} is computed by no node before it", excerpt(name));
    inputs.push_back(found ? *found : Value{});
  }
  if (auto known = folded(node, inputs)) return *known;
  if (!row) {
    const auto computed = std::ranges::find_if(inputs, [](const Value& input) { return input.var && !input.known; });
    const std::string& name = node.inputs[static_cast<std::size_t>(computed - inputs.begin())];
    throw Error("input {} is computed by the network, expected a constant", excerpt(name));
  }
  std::vector<bool> wanted;
  for (const std::string& output : node.outputs) wanted.push_back(read_.contains(output));
  const NodeImport import(node, std::move(inputs), std::move(wanted), opset_, baked_, weights_, tape_, budget_);
  if (const auto whole = recognise(*this, node, import)) return {*whole};
  return row->import(import);
}

std::optional<std::vector<Value>> GraphImport::folded(const Node& node, const std::vector<Value>& inputs) {
  const Fold fold = find_fold(node.op);
  std::vector<const Known*> known;
  for (const Value& input : inputs) {
    if (!fold || (input.var && !input.known)) return std::nullopt;
    known.push_back(input.known.get());
  }
  if (!fold) return std::nullopt;
  try {
    std::vector<Value> outputs;
    for (Known& output : fold(FoldNode{node, known, budget_})) outputs.push_back(single(std::move(output))[0]);
    return outputs;
  } catch (const Error&) {
    // What depends on the batch may still be computed by the network: zeros for each sample, a class token for each.
    if (find_operator(node.op)) return std::nullopt;
    throw;
  }
}

void GraphImport::check_new_values(ValueId first) const {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  for (ValueId id = first; id < tape_.size(); ++id) {
    const Shape& shape = tape_.node(id).type.shape;
    if (Shape(std::span(shape.begin(), shape.end())).size() > most)
      throw Error("a result of shape {} has more than {} elements a sample", shape, most);
  }
}

}  // namespace safer::onnx
