#pragma once

#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/gradcheck.h"

namespace safer::test {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// A tape whose inputs have given values, for ops that are worked out by hand. Real values are named x0, x1, ... in order.
struct ByHand {
  explicit ByHand(std::int64_t batch = 1) { data.batch = batch; }

  /// `sample`: the shape that one sample owns; `values`: of the whole batch.
  Var input(const Shape& sample, std::vector<double> values, int batch_axis = 0) {
    const Var x = tape.input(next_name(), ValueType{sample, batch_axis, DType::f32});
    data.inputs[x.id()] = std::move(values);
    return x;
  }
  Var indices(const Shape& sample, std::vector<std::int64_t> values, int batch_axis = 0) {
    const Var x = tape.input(next_name(), ValueType{sample, batch_axis, DType::i64});
    data.indices[x.id()] = std::move(values);
    return x;
  }
  Var shared(const Shape& shape, std::vector<double> values) {
    parameters.push_back(std::move(values));
    return tape.parameter({.name = next_name(), .shape = shape});
  }
  /// y and the gradients of sum(y * seed), by default of sum(y).
  template <class T = double>
  Outcome run(Var y, std::vector<double> seed = {}) {
    prepare();
    if (seed.empty()) seed.assign(static_cast<std::size_t>(y.type().at(data.batch).size()), 1);
    return differentiate<T>(tape, y.id(), data, seed);
  }
  template <class T = double>
  std::vector<double> value(Var y) {
    prepare();
    Runner<T> runner(tape, {.outputs = {y.id()}}, data);
    runner.replay();
    return runner.value(y.id());
  }

  Tape tape;
  Data data;

 private:
  std::string next_name() { return fmt::format("x{}", tape.size()); }
  void prepare() {
    data.parameters = Parameters(tape.parameters(), DType::f64);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const int id = static_cast<int>(i);
      data.parameters.set(id, Tensor::of<double>(data.parameters.spec(id).shape, parameters[i]));
    }
  }
  std::vector<std::vector<double>> parameters;
};

/// Of the input that was declared first.
inline const std::vector<double>& first_gradient(const Outcome& outcome) { return outcome.gradients.at(0); }

/// 0, 1, 2, ...
inline std::vector<double> counted(std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0);
  return values;
}

/// The places of all elements of `shape`, in row-major order.
inline std::vector<std::vector<std::int64_t>> places(const Shape& shape) {
  std::vector<std::vector<std::int64_t>> all;
  for (std::int64_t i = 0; i < shape.size(); ++i) {
    std::vector<std::int64_t> place(static_cast<std::size_t>(shape.rank()));
    std::int64_t rest = i;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      place[static_cast<std::size_t>(axis)] = rest % shape[axis];
      rest /= shape[axis];
    }
    all.push_back(std::move(place));
  }
  return all;
}
/// Where the element at `place` stands in a dense array.
inline std::size_t offset(const Shape& shape, const std::vector<std::int64_t>& place) {
  std::int64_t at = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) at = at * shape[axis] + place[static_cast<std::size_t>(axis)];
  return static_cast<std::size_t>(at);
}

}  // namespace safer::test
