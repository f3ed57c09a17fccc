#include "models/initialization.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"

namespace safer {
namespace {

constexpr double embedding_deviation = 0.02;

template <class Draw>
void fill(std::span<float> values, Draw draw) {
  std::ranges::generate(values, [&] { return static_cast<float>(draw()); });
}

/// Gains of norms, and the variances that batch norms divide by.
bool starts_at_one(const ParameterSpec& spec) {
  return (spec.role == Role::norm && spec.name.ends_with("weight")) ||
         (spec.role == Role::buffer && spec.name.ends_with("running_var"));
}

void draw_weight(std::span<float> values, const ParameterSpec& spec, Initialization distribution, Random random) {
  const double outputs = static_cast<double>(spec.neurons());
  const double inputs = static_cast<double>(spec.shape.size()) / outputs;
  if (distribution == Initialization::he_normal)
    return fill(values, [&, deviation = std::sqrt(2 / inputs)] { return deviation * random.normal(); });
  fill(values, [&, bound = std::sqrt(6 / (inputs + outputs))] { return bound * (2 * random.uniform() - 1); });
}

}  // namespace

void initialize(Parameters& parameters, Initialization distribution, std::uint64_t seed) {
  for (int id = 0; id < parameters.size(); ++id) {
    const ParameterSpec& spec = parameters.spec(id);
    const std::span<float> values = parameters.mutable_values<float>(id);
    Random random(mix(seed, hash(spec.name)));
    if (spec.role == Role::weight)
      draw_weight(values, spec, distribution, random);
    else if (spec.role == Role::embedding)
      fill(values, [&] { return embedding_deviation * random.normal(); });
    else
      std::ranges::fill(values, starts_at_one(spec) ? 1.0f : 0.0f);
  }
}

}  // namespace safer
