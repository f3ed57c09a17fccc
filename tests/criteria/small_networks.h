#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/ops/activation.h"
#include "engine/ops/linear.h"
#include "engine/random.h"
#include "models/network.h"

namespace safer::test {

inline Tensor random_tensor(const Shape& shape, std::uint64_t seed, double scale = 1) {
  Tensor tensor(DType::f32, shape);
  Random random(seed);
  for (float& value : tensor.mutable_values<float>()) value = static_cast<float>(scale * random.normal());
  return tensor;
}

/// Gives every parameter normal values, of deviation sqrt(2 / in) for weights as He et al. and 0.1 for the others.
inline void fill_randomly(Network& network, std::uint64_t seed) {
  network.parameters = Parameters(network.tape.parameters());
  for (int id = 0; id < network.parameters.size(); ++id) {
    const ParameterSpec& spec = network.parameters.spec(id);
    const double inputs = static_cast<double>(spec.shape.size()) / static_cast<double>(spec.shape[spec.output_axis]);
    const double scale = spec.role == Role::weight ? std::sqrt(2 / inputs) : 0.1;
    network.parameters.set(id, random_tensor(spec.shape, mix(seed, static_cast<std::uint64_t>(id)), scale));
  }
}

/// Dense layers "layers.0" and on, with ReLU between them. `widths`: input, hidden, ..., logits.
inline Network mlp(const std::vector<std::int64_t>& widths, bool biases, std::uint64_t seed) {
  Network network{.name = "mlp", .tape = {}, .parameters = {}};
  Var x = network.tape.input("x", Shape{widths.front()});
  network.input = x.id();
  for (std::size_t l = 0; l + 1 < widths.size(); ++l) {
    const std::string name = "layers." + std::to_string(l);
    const Var weight = network.tape.parameter({.name = name + ".weight", .shape = {widths[l + 1], widths[l]}});
    const Var bias =
        biases ? network.tape.parameter({.name = name + ".bias", .shape = {widths[l + 1]}, .role = Role::bias}) : Var();
    x = linear(l == 0 ? x : relu(x), weight, bias);
  }
  network.logits = x.id();
  fill_randomly(network, seed);
  return network;
}

}  // namespace safer::test
