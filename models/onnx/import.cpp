#include "models/onnx/import.h"

#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "models/formats/file.h"
#include "models/onnx/graph_import.h"
#include "models/onnx/image_input.h"
#include "models/onnx/live.h"

namespace safer {
namespace onnx {
namespace {

/// "[batch, 3, 224, 224]", free sizes by their names.
std::string text(const std::vector<Dimension>& shape) {
  std::vector<std::string> sizes;
  for (const Dimension& d : shape) sizes.push_back(d.size >= 0 ? fmt::format("{}", d.size) : d.name.empty() ? "?" : d.name);
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

/// The one input that is no initializer.
const ValueInfo& data_input(const Graph& graph, std::string_view file) {
  std::vector<std::string> names;
  const ValueInfo* found = nullptr;
  for (const ValueInfo& input : graph.inputs)
    if (!graph.initializers.contains(input.name)) {
      names.push_back(excerpt(input.name));
      found = &input;
    }
  if (names.size() != 1) throw Error("{}: {} inputs ({}), expected one", file, names.size(), fmt::join(names, ", "));
  return *found;
}

/// What one sample of the input is, without the batch.
Shape sample_of(const ValueInfo& input, std::string_view file) {
  const std::string who = fmt::format("{}: input {}", file, excerpt(input.name));
  if (input.type != ElementType::float32 && input.type != ElementType::float16)
    throw Error("{}: elements are {}, expected float", who, name(input.type));
  if (!input.shape || input.shape->size() < 2) throw Error("{}: expected a shape [batch, sample...]", who);
  const std::vector<Dimension>& shape = *input.shape;
  if (shape[0].size > 1)
    throw Error("{}: the batch of {} is fixed to {} samples; export the network with a free batch axis, or for 1 sample", who,
                text(shape), shape[0].size);
  std::vector<std::int64_t> sample;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    if (shape[axis].size < 1)
      throw Error("{}: axis {} of {} is free, expected all sizes but that of the batch", who, axis, text(shape));
    sample.push_back(shape[axis].size);
  }
  constexpr std::int64_t most = std::int64_t{1} << 31;
  const Shape checked(sample);
  if (checked.size() > most) throw Error("{}: {} has more than {} elements a sample", who, checked, most);
  return checked;
}

/// The value before a softmax at the end, or before the sigmoid of a single output: the logits that the rest works with.
std::string logits_of(const GraphImport& graph, std::string output) {
  const auto skipped = [&](const Node& node) {
    if (!node.domain.empty() || node.inputs.empty()) return false;
    if (node.op == "Identity" || node.op == "Softmax") return true;
    const Value* probability = graph.value(node.outputs[0]);
    return node.op == "Sigmoid" && probability && probability->var && probability->var.shape().size() == 1;
  };
  for (const Node* node = graph.producer(output); node && skipped(*node); node = graph.producer(output)) output = node->inputs[0];
  return output;
}

/// [N, classes], where the file may keep axes of size 1 behind.
Var as_logits(const Value& output, std::string_view file) {
  if (!output.var || !output.var.type().batched()) throw Error("{}: the output does not depend on the input", file);
  if (output.quantized) throw Error("{}: the output is quantized, expected floats", file);
  const ValueType& type = output.var.type();
  const Shape shape = type.shape;
  const bool fits = output.merged == 1 && type.batch_axis == 0 && shape.rank() >= 2 && shape[0] == 1 && shape.size() == shape[1];
  if (!fits) throw Error("{}: the output is {}, expected [N, classes]", file, safer::text(type));
  return shape.rank() == 2 ? output.var : reshape(output.var, {1, shape[1]}, 0);
}

}  // namespace

Network import_network(const Model& model, std::string_view file) {
  if (model.graph.outputs.empty()) throw Error("{}: the graph has no output", file);
  const ValueInfo& input = data_input(model.graph, file);
  Network network{.name = std::string(file)};
  const Shape sample = sample_of(input, file);
  GraphImport graph(model, file, network.tape);
  network.input = bind_input(model.graph, input, sample, network.tape, graph).id();
  if (input.shape->front().size == 1) graph.assume_baked_batch();
  const std::string output = model.graph.outputs[0].name;
  graph.record(output);
  network.logits = as_logits(*graph.value(logits_of(graph, output)), file).id();
  network.parameters = Parameters(network.tape.parameters());
  for (const auto& [name, value] : graph.weights().values()) network.parameters.set(network.parameters.id(name), value);
  return without_dead_values(network);
}

}  // namespace onnx

Network load_onnx(const std::filesystem::path& path) { return onnx::import_network(onnx::read_model(path), path.string()); }

}  // namespace safer
