#include "tests/engine/ops/op_case.h"

#include "engine/ops/elementwise.h"

namespace safer::test {
namespace {

std::vector<double> draw_values(std::size_t count, std::uint64_t key, const Draw& draw) {
  Random random(key);
  std::vector<double> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto place = draw.distinct ? (static_cast<double>(i) + 0.5) / static_cast<double>(count) : random.uniform();
    values[i] = draw.low + (draw.high - draw.low) * place;
  }
  if (draw.distinct) random.shuffle(std::span<double>(values));
  for (double& value : values) {
    for (const double kink : draw.avoid)
      if (std::abs(value - kink) < draw.gap) value = kink + (value < kink ? -draw.gap : draw.gap);
    value = static_cast<float>(value);
  }
  return values;
}

std::vector<std::int64_t> draw_indices(std::size_t count, std::uint64_t key, std::int64_t below) {
  Random random(key);
  std::vector<std::int64_t> values(count);
  for (std::int64_t& value : values) value = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(below)));
  return values;
}

std::uint64_t key_of(const std::string& name, std::int64_t sample) { return mix(hash(name), static_cast<std::uint64_t>(sample)); }

std::size_t elements(const ValueType& type) { return static_cast<std::size_t>(type.shape.size()); }

}  // namespace

Var Recording::input(const std::string& name, const Shape& shape, const Draw& draw, int batch_axis) {
  if (stand_ == Stand::shared) return parameter(name, shape, draw);
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  return declared(name, tape_.input(name, ValueType{shape, batch_axis, DType::f32}), draw);
}

Var Recording::parameter(const std::string& name, const Shape& shape, const Draw& draw, Role role) {
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  return declared(name, tape_.parameter({.name = name, .shape = shape, .role = role}), draw);
}

Var Recording::declared(const std::string& name, Var value, const Draw& draw) {
  draws_[value.id()] = draw;
  if (stand_ == Stand::computed) {
    Tensor one(DType::f32, Shape{});
    one.mutable_values<float>()[0] = 1;
    value = mul(value, tape_.constant("one", one));
  }
  return known_[name] = value;
}

Var Recording::index(const std::string& name, const Shape& shape, std::int64_t below, int batch_axis) {
  if (const auto found = known_.find(name); found != known_.end()) return found->second;
  if (stand_ == Stand::shared) {
    const std::vector<std::int64_t> values = draw_indices(static_cast<std::size_t>(shape.size()), key_of(name, 0), below);
    return known_[name] = tape_.constant(name, Tensor::of<std::int64_t>(shape, values));
  }
  const Var value = tape_.input(name, ValueType{shape, batch_axis, DType::i64});
  below_[value.id()] = below;
  return known_[name] = value;
}

Data Recording::draw(std::int64_t batch, Mode mode) const {
  Data data{.batch = batch, .parameters = Parameters(tape_.parameters(), DType::f64), .mode = mode};
  data.randomness = {.seed = 5, .step = 2, .first_sample = 10};
  for (const auto& [id, draw] : draws_) {
    const Node& node = tape_.node(id);
    if (node.kind == Node::Kind::parameter) {
      data.parameters.set(node.parameter,
                          Tensor::of<double>(node.type.shape, draw_values(elements(node.type), key_of(node.name, -1), draw)));
      continue;
    }
    std::vector<std::vector<double>> samples;
    for (std::int64_t s = 0; s < batch; ++s) samples.push_back(draw_values(elements(node.type), key_of(node.name, s), draw));
    data.inputs[id] = stack(node.type, samples);
  }
  for (const auto& [id, below] : below_) {
    const Node& node = tape_.node(id);
    std::vector<std::vector<std::int64_t>> samples;
    for (std::int64_t s = 0; s < batch; ++s) samples.push_back(draw_indices(elements(node.type), key_of(node.name, s), below));
    data.indices[id] = stack(node.type, samples);
  }
  return data;
}

Recorded::Recorded(const OpCase& op_case, Stand stand, int times) : recording(tape, stand), mode(op_case.mode) {
  Var output = op_case.record(recording);
  for (int i = 1; i < times; ++i) output = add(output, op_case.record(recording));
  root = output.id();
}

std::vector<double> Recorded::seed(std::int64_t batch) const {
  return random_values(static_cast<std::size_t>(tape.node(root).type.at(batch).size()), 99);
}

}  // namespace safer::test
