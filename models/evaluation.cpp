#include "models/evaluation.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/ops/target.h"
#include "engine/tape/workspace.h"
#include "models/data/dataset.h"

namespace safer {
namespace {

/// As many samples as can run at once in a moderate amount of memory.
std::int64_t usual_batch(const Network& network) {
  constexpr std::int64_t most = 256, bytes = std::int64_t{256} << 20;
  const Plan one(network.tape, {.batch = 1, .outputs = {network.logits}});
  return std::clamp<std::int64_t>(bytes / std::max<std::int64_t>(1, static_cast<std::int64_t>(one.bytes())), 1, most);
}

/// log sum exp(z) - z[label]
double cross_entropy(std::span<const float> z, std::size_t label) {
  const double largest = std::ranges::max(z);
  double sum = 0;
  for (const float value : z) sum += std::exp(double{value} - largest);
  return largest + std::log(sum) - double{z[label]};
}

}  // namespace

void check_inputs(const Network& network, const Tensor& inputs, std::string_view who) {
  if (inputs.type() != DType::f32) throw Error("{}: inputs are {}, {} expects f32", who, name(inputs.type()), network.name);
  Shape expected = network.sample_shape();
  if (inputs.shape().rank() > 0) expected[0] = inputs.shape()[0];
  if (inputs.shape() == expected) return;
  throw Error("{}: inputs have shape {}, {} expects [N{}", who, inputs.shape(), network.name,
              network.sample_shape().str().substr(2));
}

void check_labels(const Network& network, const Dataset& data, std::string_view who) {
  if (data.size() == 0) throw Error("{}: '{}' has no samples", who, data.name);
  if (std::ssize(data.labels) != data.size())
    throw Error("{}: '{}' has {} labels for {} samples; labelled data is needed", who, data.name, data.labels.size(), data.size());
  for (std::size_t i = 0; i < data.labels.size(); ++i)
    if (data.labels[i] < 0 || data.labels[i] >= network.classes())
      throw Error("{}: '{}': label {} of sample {}, but {} has {} classes, from 0", who, data.name, data.labels[i], i, network.name,
                  network.classes());
}

Tensor predict(const Network& network, const Tensor& inputs, std::int64_t batch) {
  check_inputs(network, inputs, "predict");
  if (batch < 0) throw Error("predict: batch of {}; expected at least 1, or 0", batch);
  if (batch == 0) batch = usual_batch(network);
  const std::int64_t samples = inputs.shape()[0], classes = network.classes();
  const std::int64_t sample_size = network.sample_shape().size();
  Tensor logits(DType::f32, {samples, classes});
  const std::span<const float> from = inputs.values<float>();
  const std::span<float> to = logits.mutable_values<float>();
  const auto run = [&](std::int64_t first, std::int64_t last, std::int64_t rows) {
    if (first == last) return;
    Workspace<float> workspace(Plan(network.tape, {.batch = rows, .outputs = {network.logits}}));
    for (; first < last; first += rows) {
      workspace.bind(network.input,
                     from.subspan(static_cast<std::size_t>(first * sample_size), static_cast<std::size_t>(rows * sample_size)));
      workspace.replay(network.parameters);
      std::ranges::copy(workspace.value(network.logits), to.begin() + first * classes);
    }
  };
  const std::int64_t whole = samples / batch * batch;
  run(0, whole, batch);
  run(whole, samples, samples - whole);
  return logits;
}

Evaluation evaluate(const Network& network, const Dataset& data, std::int64_t batch) {
  check_labels(network, data, "evaluate");
  const Tensor logits = predict(network, data.inputs, batch);
  const std::vector<std::int64_t> answers = predicted_classes(logits.values<float>(), network.classes());
  const auto classes = static_cast<std::size_t>(network.classes());
  Evaluation result{.samples = data.size()};
  double sum = 0;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    result.correct += answers[i] == data.labels[i];
    sum += cross_entropy(logits.values<float>().subspan(i * classes, classes), static_cast<std::size_t>(data.labels[i]));
  }
  result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.samples);
  result.cross_entropy = sum / static_cast<double>(result.samples);
  return result;
}

}  // namespace safer
