#include "models/onnx/node_import.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"

namespace safer::onnx {
namespace {

std::string_view usual_name(Role role) {
  switch (role) {
    case Role::weight: return "weight";
    case Role::bias: return "bias";
    case Role::norm: return "gain";
    case Role::embedding: return "embedding";
    case Role::buffer: return "buffer";
  }
  return "";
}

}  // namespace

Known shape_of(const Value& value) {
  if (value.known) {
    const Shape& shape = value.known->value.shape();
    return known_integers({shape.begin(), shape.end()});
  }
  const ValueType& type = value.var.type();
  std::vector<std::int64_t> fixed, free;
  for (int axis = 0; axis < type.shape.rank(); ++axis) {
    const bool batch = axis == type.batch_axis;
    if (axis > 0 && axis < value.merged) {
      const std::int64_t size = type.shape.size(0, value.merged);
      fixed[0] = type.batch_axis < value.merged ? 0 : size;
      free[0] = type.batch_axis < value.merged ? size : 0;
      continue;
    }
    fixed.push_back(batch ? 0 : type.shape[axis]);
    free.push_back(batch ? type.shape[axis] : 0);
  }
  Known sizes = known_integers(fixed);
  if (std::ranges::any_of(free, [](std::int64_t size) { return size != 0; })) sizes.batch = known_integers(free).value;
  return sizes;
}

std::string ImportedWeights::free_name(const std::string& wanted) const {
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(tape_.nodes(), [&](const safer::Node& node) { return node.name == name; });
  };
  std::string name = wanted;
  for (int number = 2; taken(name); ++number) name = fmt::format("{}_{}", wanted, number);
  return name;
}

Var ImportedWeights::parameter(const std::shared_ptr<const Known>& known, Role role, int output_axis,
                               const std::string& otherwise) {
  if (const auto found = vars_.find(known.get()); found != vars_.end()) return found->second;
  const Tensor value = tensor_of(*known, "a weight").to(DType::f32);
  const bool own = !known->name.empty() && !is_made_up(known->name);
  const std::string name = free_name(own ? known->name : otherwise);
  const Var var = tape_.parameter({.name = name, .shape = value.shape(), .role = role, .output_axis = output_axis});
  values_[name] = value;
  keep_.push_back(known);
  return vars_[known.get()] = var;
}

Var ImportedWeights::constant(const std::shared_ptr<const Known>& known) {
  if (const auto found = vars_.find(known.get()); found != vars_.end()) return found->second;
  const Tensor& value = tensor_of(*known, "an input");
  const bool real = value.type() == DType::f32 || value.type() == DType::f64;
  keep_.push_back(known);
  return vars_[known.get()] = tape_.constant("constant", real ? value : value.to(DType::i64));
}

const Value& NodeImport::value(std::size_t i) const {
  if (!has(i)) throw Error("input {} is missing", i);
  return inputs_[i];
}

Var NodeImport::rows(std::size_t i, Role role) const {
  const Value& input = value(i);
  if (input.quantized) throw Error("input {} is quantized; only DequantizeLinear, or Clip before it, can read it", i);
  if (!input.known) return input.var;
  const bool learned = !input.known->name.empty() && input.known->value.size() > 1;
  return learned ? parameter(i, role) : weights_.constant(input.known);
}

Var NodeImport::var(std::size_t i, Role role) const {
  if (value(i).merged > 1)
    throw Error(
        "input {} has its batch within the first axis, between {} rows of a sample; only operators on its last axis can read it", i,
        value(i).var.shape()[0]);
  return rows(i, role);
}

Var NodeImport::parameter(std::size_t i, Role role, int output_axis) const {
  if (!value(i).known) throw Error("input {} is computed by the network, expected a constant", i);
  return parameter(value(i).known, role, output_axis, usual_name(role));
}

Var NodeImport::parameter(const std::shared_ptr<const Known>& known, Role role, int output_axis, std::string_view what) const {
  return weights_.parameter(known, role, output_axis, fmt::format("{}.{}", path(), what));
}

const Tensor& NodeImport::constant(std::size_t i, std::string_view what) const {
  if (!value(i).known) throw Error("{} is computed by the network, expected a constant", what);
  return tensor_of(*value(i).known, what);
}

double NodeImport::scalar(std::size_t i, std::string_view what) const {
  const Tensor& tensor = constant(i, what);
  if (tensor.size() != 1) throw Error("{} is {}, expected one number", what, tensor.shape());
  return tensor.to(DType::f64).values<double>()[0];
}

std::vector<std::int64_t> NodeImport::integers(std::size_t i, std::string_view attribute) const {
  if (!has(i)) return attributes().integers(attribute);
  if (!value(i).known) throw Error("{} is computed by the network, expected a constant", attribute);
  return integers_of(*value(i).known, attribute);
}

void NodeImport::spend(std::int64_t elements) const {
  if (elements > budget_) throw Error("it needs a table of {} numbers, far more than the file holds", elements);
  budget_ -= elements;
}

std::string NodeImport::path() const {
  const std::string& whole = node_.name.empty() && !node_.outputs.empty() ? node_.outputs[0] : node_.name;
  if (!whole.starts_with('/')) return whole;
  // PyTorch names a node by the modules around it, each by its path from the last one that has a name of its own: in
  // "/layer1/layer1.0/conv1/Conv" the second begins with the first.
  std::string path, module;
  std::string_view rest = std::string_view(whole).substr(1);
  for (std::size_t slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
    const std::string_view part = rest.substr(0, slash);
    rest.remove_prefix(slash + 1);
    const bool repeats = !module.empty() && part.starts_with(module) && part.substr(module.size()).starts_with('.');
    if (!repeats && !path.empty()) path += '.';
    path += repeats ? part.substr(module.size()) : part;
    module = part;
  }
  return path.empty() ? std::string(rest) : path;
}

}  // namespace safer::onnx
