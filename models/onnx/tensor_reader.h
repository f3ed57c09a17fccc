#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "engine/tensor.h"

namespace safer::onnx {

/// Where a file's tensors come from, for messages and for external data.
struct Source {
  std::string_view file;
  std::filesystem::path folder;
};

struct NamedTensorProto {
  std::string name;
  Tensor value;
};

/// A TensorProto from its bytes. Throws Error, naming file and tensor, when its data is not what type and dims say.
NamedTensorProto parse_tensor(std::string_view bytes, const Source& source);

}  // namespace safer::onnx
