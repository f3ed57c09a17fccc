#pragma once

#include <vector>

#include "engine/ops/ops.h"
#include "engine/random.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"

/// A small network with everything that makes planning hard: skips, a view, a weight used twice, a value read late.
///   h0 = relu(x W0' + b0);  h1 = h0 + relu(h0 W1' + b1);  h2 = h1 + relu(reshape(h1) W1' + b2);  logits = (h2 * h0) W3'
struct Toy {
  static constexpr std::int64_t in = 3, width = 10, classes = 2;
  safer::Tape tape;
  safer::ValueId x, h0, h1, h2, logits, target;
  safer::Parameters parameters;
  std::vector<safer::ValueId> weights;  // W0 b0 W1 b1 b2 W3

  Toy() {
    using namespace safer;
    const auto weight = [&](const char* name, Shape shape, Role role = Role::weight) {
      const Var value = tape.parameter({.name = name, .shape = shape, .role = role});
      weights.push_back(value.id());
      return value;
    };
    const Var W0 = weight("W0", {width, in}), b0 = weight("b0", {width}, Role::bias);
    const Var W1 = weight("W1", {width, width}), b1 = weight("b1", {width}, Role::bias), b2 = weight("b2", {width}, Role::bias);
    const Var W3 = weight("W3", {classes, width});
    const Var input = tape.input("x", {in});
    const Var first = tape.rename(relu(linear(input, W0, b0)), "h0");
    const Var second = tape.rename(first + relu(linear(first, W1, b1)), "h1");
    const Var third = tape.rename(second + relu(linear(reshape(reshape(second, {1, 5, 2}), {1, width}), W1, b2)), "h2");
    const Var out = tape.rename(linear(third * first, W3), "logits");
    x = input.id(), h0 = first.id(), h1 = second.id(), h2 = third.id(), logits = out.id();
    target = tape.rename(sum(square(out), {1}), "target").id();
    parameters = Parameters(tape.parameters());
    for (int id = 0; id < parameters.size(); ++id) fill(parameters.mutable_values<float>(id), 100 + static_cast<unsigned>(id), 0.6);
  }

  static void fill(std::span<float> values, std::uint64_t seed, double scale = 1) {
    safer::Random random(seed);
    for (float& value : values) value = static_cast<float>(scale * random.normal());
  }
  std::vector<float> samples(std::int64_t n, std::uint64_t seed = 5) const {
    std::vector<float> values(static_cast<std::size_t>(n * in));
    fill(values, seed);
    return values;
  }
};

template <class T>
std::vector<T> copy(std::span<const T> values) {
  return {values.begin(), values.end()};
}
