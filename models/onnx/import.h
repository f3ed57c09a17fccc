#pragma once

#include <filesystem>
#include <string_view>

#include "models/network.h"
#include "models/onnx/model.h"

namespace safer {

namespace onnx {
constexpr std::int64_t oldest_opset = 7, newest_opset = 21;

/// A classifier's file as a network. Its weights are the parameters of Conv, Gemm and MatMul, under the names that they have in the
/// file, or, where an exporter made those up ("onnx::Conv_497"), their node's path. The graph's one input that is no initializer
/// has the batch on its first axis; a batch of 1 that an exporter fixed there is made free again. Images [N, H, W, C] that the file
/// turns to [N, C, H, W], as Keras exports do, are read in the latter order. A softmax at the end is left off: the outputs are
/// logits. Throws Error, beginning with `file`; one message names all nodes that cannot be imported.
Network import_network(const Model& model, std::string_view file);
}  // namespace onnx

/// The network in an ONNX file (opset 7 to 21). Throws Error when it cannot be read or imported.
Network load_onnx(const std::filesystem::path& path);

}  // namespace safer
