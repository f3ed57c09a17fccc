#include "models/onnx/image_input.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <vector>

#include "engine/ops/shape_ops.h"

namespace safer::onnx {
namespace {

/// The nodes that read each value.
using Readers = std::map<std::string_view, std::vector<const Node*>>;

Readers readers_of(const Graph& graph) {
  Readers readers;
  for (const Node& node : graph.nodes)
    for (const std::string& name : node.inputs) readers[name].push_back(&node);
  return readers;
}

/// Whether a node brings [N, H, W, C] to [N, C, H, W].
bool moves_channels_first(const Node& node) {
  return node.domain.empty() && node.op == "Transpose" && !node.outputs.empty() &&
         Attributes(node).integers("perm") == std::vector<std::int64_t>{0, 3, 1, 2};
}

/// Whether nothing but these is read of a value: its channels moved first, perhaps after steps that prepare pixels or pad the
/// image.
bool becomes_channels_first(const Readers& readers, std::string_view name) {
  constexpr std::string_view steps[] = {"Add", "Cast", "Div", "Identity", "Mul", "Pad", "Sub"};
  std::vector<std::string_view> open{name};
  std::set<std::string_view> seen;
  while (!open.empty()) {
    const std::string_view value = open.back();
    open.pop_back();
    if (!seen.insert(value).second) continue;
    const auto found = readers.find(value);
    if (found == readers.end()) return false;
    for (const Node* node : found->second) {
      if (moves_channels_first(*node)) continue;
      if (!node->domain.empty() || std::ranges::find(steps, node->op) == std::end(steps)) return false;
      open.insert(open.end(), node->outputs.begin(), node->outputs.end());
    }
  }
  return true;
}

}  // namespace

Var bind_input(const Graph& graph, const ValueInfo& input, const Shape& sample, Tape& tape, GraphImport& import) {
  const bool may_be_image = sample.rank() == 3 && (sample[2] == 1 || sample[2] == 3);
  const Readers readers = may_be_image ? readers_of(graph) : Readers();
  if (!becomes_channels_first(readers, input.name)) {
    const Var x = tape.input(input.name, sample);
    import.bind(input.name, {nullptr, x});
    return x;
  }
  const Var x = tape.input(input.name, {sample[2], sample[0], sample[1]});
  import.bind(input.name, {nullptr, transpose(x, {0, 2, 3, 1})});
  for (const Node* node : readers.at(input.name))
    if (moves_channels_first(*node)) import.bind(node->outputs[0], {nullptr, x});
  return x;
}

}  // namespace safer::onnx
