#pragma once

#include "models/onnx/graph_import.h"

namespace safer::onnx {

/// Declares the network's input for samples of this shape and binds the graph's input to it. Images of one or three channels that
/// the graph has as [N, H, W, C] and turns to [N, C, H, W] before it looks at them, as Keras exports do, are [N, C, H, W] from the
/// start: data sets and all other networks have them so.
Var bind_input(const Graph& graph, const ValueInfo& input, const Shape& sample, Tape& tape, GraphImport& import);

}  // namespace safer::onnx
