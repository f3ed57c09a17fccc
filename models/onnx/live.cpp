#include "models/onnx/live.h"

#include <vector>

namespace safer::onnx {
namespace {

std::vector<bool> live_values(const Network& network) {
  std::vector<bool> live(static_cast<std::size_t>(network.tape.size()));
  live[static_cast<std::size_t>(network.input)] = live[static_cast<std::size_t>(network.logits)] = true;
  for (ValueId id = network.logits; id >= 0; --id)
    if (live[static_cast<std::size_t>(id)])
      for (const ValueId input : network.tape.node(id).inputs) live[static_cast<std::size_t>(input)] = true;
  return live;
}

}  // namespace

Network without_dead_values(const Network& network) {
  const std::vector<bool> live = live_values(network);
  Network kept{.name = network.name, .metadata = network.metadata, .pixels = network.pixels};
  std::vector<Var> map(live.size());
  const auto at = [&](ValueId id) -> Var& { return map[static_cast<std::size_t>(id)]; };
  for (ValueId id = 0; id < network.tape.size(); ++id) {
    if (!live[static_cast<std::size_t>(id)]) continue;
    const safer::Node& node = network.tape.node(id);
    std::vector<Var> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(at(input));
    switch (node.kind) {
      case safer::Node::Kind::input: at(id) = kept.tape.input(node.name, node.type); break;
      case safer::Node::Kind::parameter: at(id) = kept.tape.parameter((*network.tape.parameters())[node.parameter]); break;
      case safer::Node::Kind::constant: at(id) = kept.tape.constant(node.name, node.constant); break;
      case safer::Node::Kind::op: at(id) = kept.tape.record(node.op, inputs, node.name); break;
    }
  }
  kept.input = at(network.input).id();
  kept.logits = at(network.logits).id();
  kept.parameters = Parameters(kept.tape.parameters());
  for (int id = 0; id < kept.parameters.size(); ++id)
    kept.parameters.set(id, network.parameters[network.parameters.id(kept.parameters.spec(id).name)]);
  return kept;
}

}  // namespace safer::onnx
