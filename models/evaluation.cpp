#include "models/evaluation.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <optional>

#include "engine/error.h"
#include "engine/ops/target.h"
#include "engine/parallel.h"
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

/// Runs of a network that all give logits. Planned anew only where the number of samples changes.
class Runs {
 public:
  explicit Runs(const Network& network) : network_(network) {}

  /// Samples first .. first + count - 1 of `inputs` give rows to .. to + count - 1 of `logits`.
  void operator()(const Tensor& inputs, std::int64_t first, std::int64_t count, std::int64_t to, Tensor& logits) {
    if (count != count_) workspace_.emplace(Plan(network_.tape, {.batch = count, .outputs = {network_.logits}}));
    count_ = count;
    const auto sample = static_cast<std::size_t>(network_.sample_shape().size());
    workspace_->bind(network_.input, inputs.values<float>().subspan(static_cast<std::size_t>(first) * sample,
                                                                    static_cast<std::size_t>(count) * sample));
    workspace_->replay(network_.parameters);
    std::ranges::copy(workspace_->value(network_.logits), logits.mutable_values<float>().begin() + to * network_.classes());
  }

 private:
  const Network& network_;
  std::int64_t count_ = 0;
  std::optional<Workspace<float>> workspace_;
};

/// `labels`: one for each row of logits [n, classes].
Evaluation compare(const Tensor& logits, std::span<const std::int64_t> labels) {
  const std::vector<std::int64_t> answers = predicted_classes(logits.values<float>(), logits.shape()[1]);
  const auto classes = static_cast<std::size_t>(logits.shape()[1]);
  Evaluation result{.samples = std::ssize(labels)};
  double sum = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    result.correct += answers[i] == labels[i];
    sum += cross_entropy(logits.values<float>().subspan(i * classes, classes), static_cast<std::size_t>(labels[i]));
  }
  result.accuracy = static_cast<double>(result.correct) / static_cast<double>(result.samples);
  result.cross_entropy = sum / static_cast<double>(result.samples);
  return result;
}

void check_labels(const Network& network, std::string_view data, std::int64_t samples, std::span<const std::int64_t> labels,
                  std::string_view who) {
  if (samples == 0) throw Error("{}: '{}' has no samples", who, data);
  if (std::ssize(labels) != samples)
    throw Error("{}: '{}' has {} labels for {} samples; labelled data is needed", who, data, labels.size(), samples);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0 || labels[i] >= network.classes())
      throw Error("{}: '{}': label {} of sample {}, but {} has {} classes, from 0", who, data, labels[i], i, network.name,
                  network.classes());
}

/// What may have gone wrong with inputs of shape `found`, of which the network reads [n, sample...] = `expected`.
std::string_view advice(const Shape& found, const Shape& expected) {
  const int rank = expected.rank();
  const Shape sample(std::span<const std::int64_t>(expected.begin(), expected.end()).subspan(1));
  if (found == sample) return "; add the axis of samples: array[None]";
  if (found.rank() == rank - 1) return "; did you drop an axis?";
  const bool channels_last =
      rank == 4 && found.rank() == 4 && found[1] == expected[2] && found[2] == expected[3] && found[3] == expected[1];
  if (channels_last) return "; channels come first: array.transpose(0, 3, 1, 2)";
  return found.size() == expected.size() && found.rank() > 0 ? "; reshape the array" : "";
}

}  // namespace

void check_inputs(const Network& network, const Tensor& inputs, std::string_view who) {
  if (inputs.type() != DType::f32) throw Error("{}: inputs are {}, {} expects f32", who, name(inputs.type()), network.name);
  Shape expected = network.sample_shape();
  if (inputs.shape().rank() > 0) expected[0] = inputs.shape()[0];
  if (inputs.shape() == expected) return;
  throw Error("{}: inputs have shape {}, {} expects [N{}{}", who, inputs.shape(), network.name,
              network.sample_shape().str().substr(2), advice(inputs.shape(), expected));
}

void check_labels(const Network& network, const Dataset& data, std::string_view who) {
  check_labels(network, data.name, data.size(), data.labels, who);
}

Tensor predict(const Network& network, const Tensor& inputs, std::int64_t batch) {
  check_inputs(network, inputs, "predict");
  if (batch < 0) throw Error("predict: batch of {}; expected at least 1, or 0", batch);
  if (batch == 0) batch = usual_batch(network);
  const std::int64_t samples = inputs.shape()[0];
  Tensor logits(DType::f32, {samples, network.classes()});
  Runs runs(network);
  for (std::int64_t begin = 0; begin < samples; begin += batch)
    runs(inputs, begin, std::min(batch, samples - begin), begin, logits);
  return logits;
}

Tensor predict(const Network& network, const DataSource& source, const SampleProgress& progress) {
  const std::int64_t batch = usual_batch(network);
  const auto read = [&, threads = available_threads()](std::int64_t begin) {
    return std::async(std::launch::async, [&, threads, begin] {
      set_threads(threads);  // a new thread has the usual number
      return source.read(begin, std::min(begin + batch, source.size));
    });
  };
  Tensor logits(DType::f32, {source.size, network.classes()});
  Runs runs(network);
  std::future<Tensor> next = read(0);
  for (std::int64_t begin = 0; begin < source.size; begin += batch) {
    const Tensor inputs = next.get();
    check_inputs(network, inputs, source.name);
    const std::int64_t end = begin + inputs.shape()[0];
    if (end < source.size) next = read(end);
    runs(inputs, 0, end - begin, begin, logits);
    if (progress) progress(end, source.size);
  }
  return logits;
}

Evaluation evaluate(const Network& network, const Dataset& data, std::int64_t batch) {
  check_labels(network, data, "evaluate");
  return compare(predict(network, data.inputs, batch), data.labels);
}

Evaluation evaluate(const Network& network, const DataSource& source, const SampleProgress& progress) {
  check_labels(network, source.name, source.size, source.labels, "evaluate");
  return compare(predict(network, source, progress), source.labels);
}

}  // namespace safer
