#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/onnx/model.h"

namespace safer::onnx {

/// The attributes of a node by name. Throws Error when one is of another kind than asked for, or has no default and is missing.
class Attributes {
 public:
  explicit Attributes(const Node& node) : node_(&node) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::int64_t integer(std::string_view name, std::optional<std::int64_t> without = std::nullopt) const;
  double number(std::string_view name, std::optional<double> without = std::nullopt) const;
  std::string text(std::string_view name, std::string_view without) const;
  /// Empty when there is none.
  std::vector<std::int64_t> integers(std::string_view name) const;
  std::vector<float> numbers(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;

 private:
  const Attribute* find(std::string_view name) const;
  const Node* node_;
};

}  // namespace safer::onnx
