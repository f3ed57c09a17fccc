#pragma once

#include <optional>

#include "models/onnx/graph_view.h"
#include "models/onnx/node_import.h"

namespace safer::onnx {

/// What a node and those before it compute together, where exporters write one operation as several: a bias behind MatMul, SiLU,
/// hard swish, Mish, GELU, layer norm and attention. `node` is the last of them, and `import` is its own import. std::nullopt:
/// nothing of the kind. What it replaces stays recorded, and is dropped at the end if nothing else reads it.
std::optional<Value> recognise(const GraphView& graph, const Node& node, const NodeImport& import);

}  // namespace safer::onnx
