#include "models/training.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "engine/error.h"
#include "engine/ops/target.h"
#include "engine/random.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"
#include "models/adam.h"
#include "models/data/dataset.h"
#include "models/evaluation.h"
#include "models/running_statistics.h"

namespace safer {
namespace {

/// The network's program with each sample's cross-entropy behind it.
struct LossTape {
  Tape tape;
  ValueId labels, loss;
};

LossTape with_loss(const Network& network) {
  LossTape result{network.tape, no_value, no_value};
  const Var labels = result.tape.input("labels", Shape{}, DType::i64);
  result.labels = labels.id();
  result.loss = cross_entropy(result.tape.var(network.logits), labels).id();
  return result;
}

/// Steps of one batch size: a workspace and the samples of the step.
class Stepper {
 public:
  Stepper(const Network& network, const LossTape& tape, const RunningStatistics& statistics, std::size_t samples)
      : workspace_(plan(network, tape, statistics, samples)),
        loss_(tape.loss),
        inputs_(samples * static_cast<std::size_t>(network.sample_shape().size())),
        labels_(samples),
        mean_(samples, 1.0f / static_cast<float>(samples)) {
    workspace_.bind(network.input, std::span<const float>(inputs_));
    workspace_.bind(tape.labels, std::span<const std::int64_t>(labels_));
  }

  /// The gradient of the mean loss of these samples; returns the sum of their losses.
  double run(const Dataset& data, std::span<const std::int64_t> samples, const Randomness& randomness, const Parameters& parameters,
             BatchGradient<float>& gradient) {
    const std::size_t size = inputs_.size() / samples.size();
    const float* const from = data.inputs.values<float>().data();
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto sample = static_cast<std::size_t>(samples[i]);
      std::copy_n(from + sample * size, size, inputs_.begin() + static_cast<std::ptrdiff_t>(i * size));
      labels_[i] = data.labels[sample];
    }
    workspace_.randomize(randomness);
    workspace_.replay(parameters);
    workspace_.reverse(gradient, mean_);
    const std::span<const float> losses = workspace_.value(loss_);
    return std::accumulate(losses.begin(), losses.end(), 0.0);
  }
  /// The last run, for the running statistics.
  const Workspace<float>& workspace() const { return workspace_; }

 private:
  static Plan plan(const Network& network, const LossTape& tape, const RunningStatistics& statistics, std::size_t samples) {
    PlanOptions options{
        .batch = static_cast<std::int64_t>(samples), .mode = Mode::training, .outputs = statistics.reads(), .root = tape.loss};
    for (int id = 0; id < network.parameters.size(); ++id)
      if (network.parameters.spec(id).role != Role::buffer) options.gradients.push_back(tape.tape.parameter_value(id));
    return Plan(tape.tape, options);
  }

  Workspace<float> workspace_;
  ValueId loss_;
  std::vector<float> inputs_;
  std::vector<std::int64_t> labels_;
  std::vector<float> mean_;  // the seed of the sweep
};

void check(const TrainOptions& options) {
  if (options.epochs < 0) throw Error("train: {} epochs; expected 0 or more", options.epochs);
  if (options.batch < 1) throw Error("train: batch of {}; expected at least 1", options.batch);
  if (!(options.learning_rate > 0) || !std::isfinite(options.learning_rate))
    throw Error("train: learning rate {}; expected a positive number", options.learning_rate);
  if (!(options.cooldown >= 0 && options.cooldown <= 1)) throw Error("train: cooldown {}; expected 0 to 1", options.cooldown);
}

/// The learning rate of a step, from 0.
double learning_rate(const TrainOptions& options, std::int64_t step, std::int64_t steps) {
  const double left = static_cast<double>(steps - step) / static_cast<double>(steps);
  return left < options.cooldown ? options.learning_rate * left / options.cooldown : options.learning_rate;
}

}  // namespace

std::vector<double> train(Network& network, const Dataset& data, const TrainOptions& options) {
  check(options);
  check_inputs(network, data.inputs, "train");
  check_labels(network, data, "train");
  const auto samples = static_cast<std::size_t>(data.size());
  const std::size_t batch = std::min(samples, static_cast<std::size_t>(options.batch)), rest = samples % batch;
  const std::size_t steps_per_epoch = (samples + batch - 1) / batch;

  const LossTape tape = with_loss(network);
  RunningStatistics statistics(network.tape, options.batch_norm_momentum);
  Stepper full(network, tape, statistics, batch);
  std::optional<Stepper> last;
  if (rest > 0) last.emplace(network, tape, statistics, rest);
  BatchGradient<float> gradient(*network.parameters.table());
  Adam adam(network.parameters, {.learning_rate = options.learning_rate});

  std::vector<std::int64_t> order(samples);
  std::iota(order.begin(), order.end(), 0);
  std::vector<double> losses;
  losses.reserve(static_cast<std::size_t>(options.epochs));
  TrainProgress progress{.epochs = options.epochs, .steps = static_cast<std::int64_t>(steps_per_epoch) * options.epochs};
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    progress.epoch = epoch;
    Random(mix(mix(options.seed, hash("order")), static_cast<std::uint64_t>(epoch))).shuffle(std::span(order));
    double sum = 0;
    for (std::size_t first = 0; first < samples; first += batch) {
      const std::span<const std::int64_t> chosen = std::span(order).subspan(first, std::min(batch, samples - first));
      Stepper& stepper = chosen.size() == batch ? full : *last;
      const Randomness randomness{.seed = options.seed, .step = static_cast<std::uint64_t>(progress.step)};
      const double loss = stepper.run(data, chosen, randomness, network.parameters, gradient);
      adam.set_learning_rate(learning_rate(options, progress.step, progress.steps));
      adam.step(network.parameters, gradient);
      statistics.update(network.parameters, stepper.workspace());
      sum += loss;
      ++progress.step;
      progress.loss = loss / static_cast<double>(chosen.size());
      if (options.progress) options.progress(progress);
    }
    losses.push_back(sum / static_cast<double>(samples));
  }
  return losses;
}

}  // namespace safer
