#pragma once

#include <string>
#include <vector>

#include "models/onnx/model.h"

namespace safer::test {

/// A file's contents, put together by hand.
inline onnx::Attribute attribute(std::string name, int value) { return {.name = std::move(name), .integer = value}; }
inline onnx::Attribute attribute(std::string name, std::vector<std::int64_t> values) {
  return {.name = std::move(name), .integers = std::move(values)};
}

inline onnx::Node node(std::string op, std::vector<std::string> inputs, std::string output,
                       std::vector<onnx::Attribute> attributes = {}) {
  return {.name = "make " + output,
          .op = std::move(op),
          .domain = {},
          .inputs = std::move(inputs),
          .outputs = {std::move(output)},
          .attributes = std::move(attributes)};
}

/// An input of this shape; -1: free.
inline onnx::ValueInfo value(std::string name, std::vector<std::int64_t> shape) {
  onnx::ValueInfo info{.name = std::move(name), .type = onnx::ElementType::float32};
  info.shape.emplace();
  for (const std::int64_t size : shape) info.shape->push_back({size, size < 0 ? "batch" : ""});
  return info;
}

inline Tensor floats(const Shape& shape, std::vector<float> values) { return Tensor::of<float>(shape, values); }
inline Tensor integers(std::vector<std::int64_t> values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

/// A graph from input "x" to output "y".
inline onnx::Model model(std::vector<std::int64_t> shape, std::vector<onnx::Node> nodes,
                         std::map<std::string, Tensor> initializers = {}, std::int64_t opset = 13) {
  onnx::Model made;
  made.opsets[""] = opset;
  made.graph.nodes = std::move(nodes);
  made.graph.inputs = {value("x", std::move(shape))};
  made.graph.outputs = {value("y", {-1, -1})};
  made.graph.initializers = std::move(initializers);
  return made;
}

}  // namespace safer::test
