#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor.h"
#include "models/formats/safetensors.h"

namespace safer {

/// How the elements of a tensor are stored in a file, and what they become in memory.
struct ElementFormat {
  std::string_view name;  // as the header spells it
  std::size_t bytes;
  DType type;
};

/// All that can be read, in the order of the reference implementation: its writer puts later ones first.
std::span<const ElementFormat> element_formats();

struct TensorEntry {
  std::string name;
  const ElementFormat* format = nullptr;
  Shape shape;
  std::uint64_t begin = 0, end = 0;  // bytes, from the end of the header
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // in the order of the header
  Metadata metadata;
};

/// Throws Error for anything but {"__metadata__": {key: text, ...}, name: {"dtype", "shape", "data_offsets"}, ...} without
/// repeated keys. Does not compare the offsets with anything.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view file);

}  // namespace safer
