#include "models/onnx/attributes.h"

#include <algorithm>

#include "engine/error.h"
#include "models/formats/file.h"

namespace safer::onnx {

const Attribute* Attributes::find(std::string_view name) const {
  const auto found = std::ranges::find(node_->attributes, name, &Attribute::name);
  return found == node_->attributes.end() ? nullptr : &*found;
}

std::int64_t Attributes::integer(std::string_view name, std::optional<std::int64_t> without) const {
  const Attribute* attribute = find(name);
  if (attribute ? !attribute->integer : !without) throw Error("attribute '{}': expected an integer", name);
  return attribute ? *attribute->integer : *without;
}

double Attributes::number(std::string_view name, std::optional<double> without) const {
  const Attribute* attribute = find(name);
  if (attribute ? !attribute->number : !without) throw Error("attribute '{}': expected a number", name);
  return attribute ? double{*attribute->number} : *without;
}

std::string Attributes::text(std::string_view name, std::string_view without) const {
  const Attribute* attribute = find(name);
  if (attribute && !attribute->text) throw Error("attribute '{}': expected text", name);
  return attribute ? *attribute->text : std::string(without);
}

std::vector<std::int64_t> Attributes::integers(std::string_view name) const {
  const Attribute* attribute = find(name);
  return attribute ? attribute->integers : std::vector<std::int64_t>{};
}

std::vector<float> Attributes::numbers(std::string_view name) const {
  const Attribute* attribute = find(name);
  return attribute ? attribute->numbers : std::vector<float>{};
}

const Tensor& Attributes::tensor(std::string_view name) const {
  const Attribute* attribute = find(name);
  if (!attribute || !attribute->tensor) throw Error("attribute '{}': expected a tensor", name);
  return *attribute->tensor;
}

}  // namespace safer::onnx
