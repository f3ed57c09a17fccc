#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor.h"

/// What an ONNX file says, as plain structs: the part of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that
/// describes inference. Nothing here knows what an operator means.
namespace safer::onnx {

/// The numbers of TensorProto.DataType.
enum class ElementType : std::int32_t {
  undefined = 0,
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  bfloat16 = 16
};
/// "float", "int64" and so on, as ONNX spells them; "type 99" for a number that is none of these.
std::string name(ElementType type);
/// What holds such elements in memory: float16 and bfloat16 become f32, booleans u8, other integers the next wider signed type.
/// Throws Error, beginning with `who`, for strings and unknown types.
DType stored_type(ElementType type, std::string_view who);

/// A named value of a node: one of these, or none of them for a subgraph and other kinds that no operator here reads.
struct Attribute {
  std::string name;
  std::optional<float> number = {};
  std::optional<std::int64_t> integer = {};
  std::optional<std::string> text = {};
  std::optional<Tensor> tensor = {};
  std::vector<float> numbers = {};
  std::vector<std::int64_t> integers = {};
};

struct Node {
  std::string name, op, domain;              // domain: empty for ONNX's own operators
  std::vector<std::string> inputs, outputs;  // names of values; empty for an optional one that is left out
  std::vector<Attribute> attributes;
};

/// A size of an input: fixed, or free with a name.
struct Dimension {
  std::int64_t size = -1;  // -1: free
  std::string name;
};

struct ValueInfo {
  std::string name;
  ElementType type = ElementType::undefined;
  std::optional<std::vector<Dimension>> shape = {};
};

struct Graph {
  std::vector<Node> nodes;
  std::vector<ValueInfo> inputs, outputs;
  std::map<std::string, Tensor> initializers;
};

struct Model {
  std::map<std::string, std::int64_t> opsets;  // version by domain; "" for ONNX's own
  Graph graph;
};

/// Reads a file. Every size that it states is compared with the bytes that are there before memory is allocated for it. Data that a
/// tensor keeps in another file is read from beside `path`, never from outside of its folder. Throws Error, naming file and
/// field, when something is wrong.
Model read_model(const std::filesystem::path& path);
/// The same from memory; `name` stands for the file in messages, `folder` is where external data lies.
Model parse_model(std::span<const std::byte> bytes, std::string_view name, const std::filesystem::path& folder);
/// The one tensor of a file that holds a TensorProto, as ONNX's own tests keep their inputs and outputs.
Tensor read_tensor(const std::filesystem::path& path);

}  // namespace safer::onnx
