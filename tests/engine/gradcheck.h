#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"

/// Runs a tape in float or double on the same numbers, and holds its gradients against central differences of the double run.
namespace safer::test {

/// Values for everything that a tape reads. They are kept in double and are all floats, so that both kinds of run see the same.
struct Data {
  std::int64_t batch = 1;
  std::map<ValueId, std::vector<double>> inputs = {};  // of the whole batch
  std::map<ValueId, std::vector<std::int64_t>> indices = {};
  Parameters parameters = {};  // f64
  Randomness randomness = {};
  Mode mode = Mode::inference;
};

/// One sample's part of a value of the whole batch, which for a value without a batch is all of it.
template <class T>
std::vector<T> sample_of(const ValueType& type, std::span<const T> whole, std::int64_t batch, std::int64_t sample) {
  if (!type.batched()) return {whole.begin(), whole.end()};
  const std::int64_t outer = type.shape.size(0, type.batch_axis), block = type.shape.size() / std::max<std::int64_t>(outer, 1);
  std::vector<T> own;
  for (std::int64_t o = 0; o < outer; ++o) {
    const auto first = whole.begin() + (o * batch + sample) * block;
    own.insert(own.end(), first, first + block);
  }
  return own;
}

/// The inverse: samples[s] side by side on the batch axis.
template <class T>
std::vector<T> stack(const ValueType& type, const std::vector<std::vector<T>>& samples) {
  const std::int64_t outer = type.shape.size(0, type.batch_axis), block = type.shape.size() / std::max<std::int64_t>(outer, 1);
  std::vector<T> whole;
  for (std::int64_t o = 0; o < outer; ++o)
    for (const std::vector<T>& sample : samples)
      whole.insert(whole.end(), sample.begin() + o * block, sample.begin() + (o + 1) * block);
  return whole;
}

/// The data of one sample as a batch of its own.
inline Data sample_of(const Tape& tape, const Data& data, std::int64_t sample) {
  Data one{.batch = 1, .parameters = data.parameters, .randomness = data.randomness, .mode = data.mode};
  one.randomness.first_sample += static_cast<std::uint64_t>(sample);
  for (const auto& [id, values] : data.inputs) one.inputs[id] = sample_of<double>(tape.node(id).type, values, data.batch, sample);
  for (const auto& [id, values] : data.indices)
    one.indices[id] = sample_of<std::int64_t>(tape.node(id).type, values, data.batch, sample);
  return one;
}

/// A workspace with the data bound to it.
template <class T>
struct Runner {
  Runner(const Tape& tape, PlanOptions options, const Data& data, const kernels::KernelTable<T>& table = kernels::table<T>())
      : parameters(data.parameters.to(dtype_of<T>)), indices(data.indices), workspace(plan(tape, std::move(options), data), table) {
    for (const auto& [id, values] : data.inputs)
      workspace.bind(id, std::span<const T>(inputs[id] = std::vector<T>(values.begin(), values.end())));
    for (const auto& [id, values] : indices) workspace.bind(id, std::span<const std::int64_t>(values));
    workspace.randomize(data.randomness);
  }
  void replay() { workspace.replay(parameters); }
  std::vector<double> value(ValueId id) const {
    const std::span<const T> values = workspace.value(id);
    return {values.begin(), values.end()};
  }
  static std::shared_ptr<const Plan> plan(const Tape& tape, PlanOptions options, const Data& data) {
    options.batch = data.batch;
    options.type = dtype_of<T>;
    options.mode = data.mode;
    return std::make_shared<const Plan>(tape, std::move(options));
  }

  Parameters parameters;
  std::map<ValueId, std::vector<T>> inputs;  // rewritten in place by those who move a value
  std::map<ValueId, std::vector<std::int64_t>> indices;
  Workspace<T> workspace;
};

/// Keeps the gradient of every parameter, summed over the batch.
template <class T>
struct BatchGradients final : GradientSink<T> {
  void fold(const ParameterGradient<T>& gradient) override {
    std::vector<T>& sum = sums[gradient.parameter()];
    sum.assign(static_cast<std::size_t>(gradient.rows() * gradient.row_size()), T(-77));
    gradient.batch_sum(sum.data());
  }
  std::map<int, std::vector<T>> sums;  // by parameter
};

/// What a run and its reverse sweep gave, by value: inputs and parameters.
struct Outcome {
  std::vector<double> output;
  std::map<ValueId, std::vector<double>> gradients;
};

/// Every real input and every parameter: the values by which `root` is differentiated in the checks.
inline std::vector<ValueId> leaves(const Tape& tape) {
  std::vector<ValueId> found;
  for (ValueId id = 0; id < tape.size(); ++id) {
    const Node& node = tape.node(id);
    if (node.kind == Node::Kind::parameter || (node.kind == Node::Kind::input && node.type.type == DType::f32)) found.push_back(id);
  }
  return found;
}

/// Runs forwards, and backwards from `root` with the gradient `seed`.
template <class T>
Outcome differentiate(const Tape& tape, ValueId root, const Data& data, std::span<const double> seed,
                      const kernels::KernelTable<T>& table = kernels::table<T>()) {
  Runner<T> runner(tape, {.outputs = {root}, .root = root, .gradients = leaves(tape)}, data, table);
  runner.replay();
  Outcome outcome{.output = runner.value(root), .gradients = {}};
  const std::vector<T> start(seed.begin(), seed.end());
  BatchGradients<T> sink;
  runner.workspace.reverse(sink, start);
  for (const ValueId id : leaves(tape)) {
    if (const int parameter = tape.node(id).parameter; parameter >= 0) {
      const std::vector<T>& sum = sink.sums[parameter];
      outcome.gradients[id].assign(sum.begin(), sum.end());
    } else {
      const std::span<const T> gradient = runner.workspace.gradient(id);
      outcome.gradients[id].assign(gradient.begin(), gradient.end());
    }
  }
  return outcome;
}

/// Central differences of <root, seed> by every leaf, in double, and the magnitude of what was summed in it.
struct Differences {
  std::map<ValueId, std::vector<double>> gradients;
  double magnitude = 0;  // the largest sum of |root * seed| seen
  static constexpr double usual_step = 1e-5;
  double step = usual_step;
  /// What rounding can do to one difference.
  double rounding() const { return 32 * std::numeric_limits<double>::epsilon() * magnitude / step; }
};

inline Differences central_differences(const Tape& tape, ValueId root, const Data& data, std::span<const double> seed,
                                       double step = Differences::usual_step) {
  Differences differences{.gradients = {}, .step = step};
  Runner<double> runner(tape, {.outputs = {root}}, data);
  const auto loss = [&] {
    runner.replay();
    const std::span<const double> y = runner.workspace.value(root);
    double sum = 0, magnitude = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * seed[i], magnitude += std::abs(y[i] * seed[i]);
    differences.magnitude = std::max(differences.magnitude, magnitude);
    return sum;
  };
  for (const ValueId id : leaves(tape)) {
    const int parameter = tape.node(id).parameter;
    const auto values = [&] {
      return parameter >= 0 ? runner.parameters.mutable_values<double>(parameter) : std::span<double>(runner.inputs[id]);
    };
    for (std::size_t i = 0; i < values().size(); ++i) {
      const double middle = values()[i];
      values()[i] = middle + step;
      const double up = loss();
      values()[i] = middle - step;
      const double down = loss();
      values()[i] = middle;
      differences.gradients[id].push_back((up - down) / (2 * step));
    }
  }
  return differences;
}

inline double largest(std::span<const double> values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

/// The entry of `found` that is furthest from `expected`, in units of the tolerance: at most 1 when all is well.
struct Deviation {
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  double ratio = 0;
  std::string where = "nowhere";

  void add(std::string_view name, std::span<const double> found, std::span<const double> expected, double tolerance) {
    if (found.size() != expected.size()) {
      ratio = infinity;
      where = fmt::format("{} has {} elements, expected {}", name, found.size(), expected.size());
      return;
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
      if (found[i] == expected[i]) continue;
      const double off = std::abs(found[i] - expected[i]) / tolerance, here = std::isnan(off) ? infinity : off;
      if (here <= ratio) continue;
      ratio = here;
      where = fmt::format("{}[{}] is {:.9g}, expected {:.9g}, tolerance {:.2g}", name, i, found[i], expected[i], tolerance);
    }
  }
};

/// Numbers between low and high that are floats.
inline std::vector<double> random_values(std::size_t count, std::uint64_t key, double low = -1, double high = 1) {
  Random random(key);
  std::vector<double> values(count);
  for (double& value : values) value = static_cast<float>(low + (high - low) * random.uniform());
  return values;
}

}  // namespace safer::test
