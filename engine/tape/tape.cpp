#include "engine/tape/tape.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {

template <class T>
std::uint64_t Run<T>::key() const {
  return mix(mix(randomness->seed, randomness->step), name_hash);
}
template struct Run<float>;
template struct Run<double>;

Var Tape::input(std::string name, const Shape& sample, DType type) {
  Shape shape{1};
  for (const std::int64_t size : sample) shape.push_back(size);
  return input(std::move(name), ValueType{shape, 0, type});
}

Var Tape::input(std::string name, const ValueType& type) {
  if (type.type != DType::f32 && type.type != DType::i64)
    throw Error("input '{}': elements are {}; a run takes reals (f32) and indices (i64)", name, safer::name(type.type));
  if (!type.batched()) throw Error("input '{}': shape {} has no batch axis", name, type.shape);
  return var(append({.kind = Node::Kind::input, .type = type, .name = prefix_ + name}));
}

Var Tape::parameter(ParameterSpec spec) {
  spec.name = prefix_ + spec.name;
  if (spec.shape.rank() > 0 && (spec.output_axis < 0 || spec.output_axis >= spec.shape.rank()))
    throw Error("parameter '{}': output axis {} for shape {}", spec.name, spec.output_axis, spec.shape);
  for (const Part& part : spec.parts)
    if (part.outputs.begin < 0 || part.outputs.size() <= 0 || part.outputs.end > spec.neurons())
      throw Error("parameter '{}': part '{}' covers {} to {}, but axis {} of {} has {}", spec.name, part.name, part.outputs.begin,
                  part.outputs.end, spec.output_axis, spec.shape, spec.neurons());
  if (parameters_.use_count() > 1) parameters_ = std::make_shared<ParameterTable>(*parameters_);
  Node node{.kind = Node::Kind::parameter, .type = {spec.shape, -1, DType::f32}, .name = spec.name};
  if (std::ranges::any_of(nodes_, [&](const Node& other) { return other.name == spec.name; }))
    throw Error("parameter '{}': the name is taken", spec.name);
  node.parameter = parameters_->add(std::move(spec));
  return var(append(std::move(node)));
}

Var Tape::constant(std::string name, Tensor value) {
  const DType type = value.type() == DType::i64 ? DType::i64 : DType::f32;
  if (type == DType::f32 && value.type() != DType::f32 && value.type() != DType::f64)
    throw Error("constant '{}': elements are {}; a run takes f32, f64 and i64", name, safer::name(value.type()));
  Node node{.kind = Node::Kind::constant, .type = {value.shape(), -1, type}, .name = free_name(prefix_ + name)};
  node.constant = std::move(value);
  return var(append(std::move(node)));
}

Var Tape::record(std::shared_ptr<const Op> op, std::span<const Var> inputs, std::string_view name) {
  Node node;
  node.name = free_name(prefix_ + std::string(name.empty() ? op->name() : name));
  std::vector<ValueType> types;
  for (const Var& input : inputs) {
    if (!input || &input.tape() != this) throw Error("node '{}' ({}): an input is not a value of this tape", node.name, op->name());
    node.inputs.push_back(input.id());
    types.push_back(input.type());
  }
  try {
    node.type = op->infer(types);
  } catch (const Error& error) {
    throw Error("node '{}': {}", node.name, error.what());
  }
  node.op = std::move(op);
  return var(append(std::move(node)));
}

Var Tape::rename(Var value, std::string name) {
  Node& renamed = nodes_[static_cast<std::size_t>(value.id())];
  name = prefix_ + name;
  if (name == renamed.name) return value;
  if (renamed.kind == Node::Kind::parameter) throw Error("parameter '{}' keeps the name it was declared with", renamed.name);
  if (free_name(name) != name) throw Error("value '{}' cannot be called '{}': the name is taken", renamed.name, name);
  renamed.name = std::move(name);
  return value;
}

Tape::Scope::Scope(Tape& tape, std::string_view name) : tape_(tape), length_(tape.prefix_.size()) {
  tape_.prefix_ += std::string(name) + ".";
}
Tape::Scope::~Scope() { tape_.prefix_.resize(length_); }

ValueId Tape::find(std::string_view name) const {
  for (ValueId id = 0; id < size(); ++id)
    if (node(id).name == name) return id;
  throw Error("no value is called '{}' on this tape of {} values", name, size());
}

ValueId Tape::parameter_value(int parameter) const {
  for (ValueId id = 0; id < size(); ++id)
    if (node(id).parameter == parameter) return id;
  throw Error("the tape declares no parameter number {}", parameter);
}

std::vector<Layer> Tape::layers() const {
  std::vector<Layer> layers;
  std::vector<std::vector<std::size_t>> of_parameter(static_cast<std::size_t>(parameters_->size()));
  for (ValueId id = 0; id < size(); ++id)
    for (const ValueId input : node(id).inputs) {
      const int parameter = node(input).parameter;
      if (parameter < 0 || (*parameters_)[parameter].role != Role::weight) continue;
      const ParameterSpec& spec = (*parameters_)[parameter];
      std::vector<std::size_t>& own = of_parameter[static_cast<std::size_t>(parameter)];
      if (own.empty()) {
        const Range all{0, spec.neurons()};
        std::vector<Part> parts = spec.parts;
        if (parts.empty()) parts.push_back({spec.name, all});
        for (const Part& part : parts) {
          own.push_back(layers.size());
          layers.push_back({part.name, parameter, part.outputs, spec.output_axis, {}});
        }
      }
      for (const std::size_t layer : own)
        if (layers[layer].uses.empty() || layers[layer].uses.back() != id) layers[layer].uses.push_back(id);
    }
  return layers;
}

ValueId Tape::activation_of(ValueId use) const {
  ValueId reader = no_value;
  for (ValueId id = use + 1; id < size(); ++id)
    for (const ValueId input : node(id).inputs)
      if (input == use) {
        if (reader != no_value) return use;
        reader = id;
      }
  return reader != no_value && node(reader).op->is_activation() ? reader : use;
}

ValueId Tape::append(Node node) {
  if (node.kind == Node::Kind::input && free_name(node.name) != node.name) throw Error("input '{}': the name is taken", node.name);
  nodes_.push_back(std::move(node));
  return size() - 1;
}

std::string Tape::free_name(std::string_view name) const {
  const auto taken = [&](std::string_view candidate) {
    return std::ranges::any_of(nodes_, [&](const Node& node) { return node.name == candidate; });
  };
  std::string candidate(name);
  for (int number = 2; taken(candidate); ++number) candidate = fmt::format("{}_{}", name, number);
  return candidate;
}

std::string layer_name(Var weight) {
  const Node& node = weight.tape().node(weight.id());
  std::string_view name = node.name;
  constexpr std::string_view ending = ".weight";
  if (node.kind != Node::Kind::parameter || !name.ends_with(ending)) return {};
  name.remove_suffix(ending.size());
  if (name.starts_with(weight.tape().prefix())) name.remove_prefix(weight.tape().prefix().size());
  return std::string(name);
}

}  // namespace safer
