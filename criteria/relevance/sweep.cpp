#include "criteria/relevance/sweep.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include "criteria/relevance/folding_sink.h"
#include "engine/error.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"

namespace safer {
namespace {

/// Splits n things into parts whose sizes differ by at most one, larger ones first; part i is [bounds[i], bounds[i + 1]).
std::vector<std::int64_t> split(std::int64_t begin, std::int64_t end, std::int64_t parts) {
  std::vector<std::int64_t> bounds{begin};
  for (std::int64_t i = 0; i < parts; ++i) bounds.push_back(bounds.back() + (end - begin) / parts + (i < (end - begin) % parts));
  return bounds;
}

/// The network with a target behind its logits. `classes` is the target's input of class numbers, or no_value.
struct Program {
  Tape tape;
  ValueId root = no_value, classes = no_value;
  std::vector<ValueId> gradients;

  Program(const Network& network, Target target, std::span<const int> weights) : tape(network.tape) {
    const Var logits = tape.var(network.logits);
    Var of;
    if (reads_classes(target, logits.type())) of = tape.input("target.classes", Shape{}, DType::i64);
    classes = of.id();
    root = record_target(target, logits, of).id();
    const std::vector<bool> reads = leads_to_root();
    for (const int weight : weights) {
      const ValueId value = tape.parameter_value(weight);
      if (reads[static_cast<std::size_t>(value)]) gradients.push_back(value);
    }
  }

 private:
  std::vector<bool> leads_to_root() const {
    std::vector<bool> leads(static_cast<std::size_t>(tape.size()));
    leads[static_cast<std::size_t>(root)] = true;
    for (ValueId id = root; id >= 0; --id)
      if (leads[static_cast<std::size_t>(id)])
        for (const ValueId input : tape.node(id).inputs) leads[static_cast<std::size_t>(input)] = true;
    return leads;
  }
};

/// Runs batches of one size. The class of a sample is frozen while its own forward pass goes by: a tap on the logits writes it to
/// where the target reads it, which saves a forward pass over all samples.
class Batch {
 public:
  Batch(const Program& program, const Network& network, std::int64_t size, bool labelled)
      : root_(program.root),
        inputs_(static_cast<std::size_t>(size * network.sample_shape().size())),
        classes_(static_cast<std::size_t>(size)),
        seeds_(static_cast<std::size_t>(size)),
        labelled_(labelled),
        workspace_(std::make_shared<Plan>(
            program.tape,
            PlanOptions{.batch = size, .root = program.root, .gradients = program.gradients, .taps = {network.logits}})) {
    workspace_.bind(network.input, inputs_);
    if (program.classes == no_value) return;
    workspace_.bind(program.classes, classes_);
    if (labelled) return;
    workspace_.tap(network.logits, [this, classes = network.classes()](std::span<float> logits) {
      const std::vector<std::int64_t> answers = predicted_classes<float>(logits, classes);
      for (std::size_t s = 0; s < classes_.size(); ++s)
        classes_[s] = std::max<std::int64_t>(0, answers[s]);  // -1: no answer, see run()
    });
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(classes_.size()); }
  void run(const Calibration& calibration, std::span<const std::int64_t> samples, const Parameters& parameters, FoldingSink& sink) {
    const std::span<const float> all = calibration.inputs.values<float>();
    const std::size_t sample_size = inputs_.size() / classes_.size();
    for (std::size_t s = 0; s < samples.size(); ++s) {
      const auto sample = static_cast<std::size_t>(samples[s]);
      std::ranges::copy(all.subspan(sample * sample_size, sample_size),
                        inputs_.begin() + static_cast<std::ptrdiff_t>(s * sample_size));
      if (labelled_) classes_[s] = calibration.labels[sample];
    }
    workspace_.replay(parameters);
    // A target that is NaN can have finite gradients (that of a NaN logit by a weight behind it); they must not pass for an answer.
    const std::span<const float> targets = workspace_.value(root_);
    for (std::size_t s = 0; s < seeds_.size(); ++s)
      seeds_[s] = std::isfinite(targets[s]) ? 1 : std::numeric_limits<float>::quiet_NaN();
    workspace_.reverse(sink, seeds_);
  }

 private:
  ValueId root_;
  std::vector<float> inputs_;
  std::vector<std::int64_t> classes_;
  std::vector<float> seeds_;  // 1 for each sample: the gradient of the sum of the targets
  bool labelled_;
  Workspace<float> workspace_;
};

void check_labels(const Calibration& calibration, std::int64_t samples, std::int64_t classes) {
  if (std::ssize(calibration.labels) != samples)
    throw Error("target '{}': {} labels for {} samples; give one label a sample or choose another target", name(calibration.target),
                calibration.labels.size(), samples);
  for (const std::int64_t label : calibration.labels)
    if (label < 0 || label >= classes)
      throw Error("target '{}': label {}, but the network has classes 0 to {}", name(calibration.target), label, classes - 1);
}

}  // namespace

Sums sweep_at_weights(const Network& network, const Calibration& calibration, std::span<const int> weights,
                      std::span<const Needs> needs, const SweepOptions& options) {
  const std::int64_t samples = calibration.inputs.shape()[0];
  const bool labelled = calibration.target == Target::label_ce;
  if (labelled) check_labels(calibration, samples, std::max<std::int64_t>(2, network.classes()));  // one logit tells two apart
  if (options.batch < 1) throw Error("calibration: batches of {} samples; use at least 1", options.batch);
  const Program program(network, calibration.target, weights);

  // Which samples form a group must not follow from their order, which may be by class.
  std::vector<std::int64_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), 0);
  Random(mix(options.seed, hash("bootstrap.groups"))).shuffle<std::int64_t>(order);

  const std::vector<std::int64_t> groups = split(0, samples, options.groups);
  std::vector<std::int64_t> group_samples, elements;
  for (std::size_t g = 0; g + 1 < groups.size(); ++g) group_samples.push_back(groups[g + 1] - groups[g]);
  for (const int weight : weights) elements.push_back(network.parameters.spec(weight).shape.size());
  Sums sums(needs.size(), std::move(group_samples), std::move(elements));

  FoldingSink sink(sums, needs, weights, network.parameters);
  std::unique_ptr<Batch> batch;
  for (std::size_t g = 0; g < sums.groups(); ++g) {
    sink.select(g);
    const std::int64_t parts = (sums.samples()[g] + options.batch - 1) / options.batch;
    const std::vector<std::int64_t> bounds = split(groups[g], groups[g + 1], parts);
    for (std::size_t part = 0; part + 1 < bounds.size(); ++part) {
      const std::int64_t size = bounds[part + 1] - bounds[part];
      if (!batch || batch->size() != size) {
        batch.reset();  // the memory of one batch at a time
        batch = std::make_unique<Batch>(program, network, size, labelled);
      }
      batch->run(calibration, std::span(order).subspan(static_cast<std::size_t>(bounds[part]), static_cast<std::size_t>(size)),
                 network.parameters, sink);
      if (options.progress) options.progress(bounds[part + 1], samples);
    }
  }
  return sums;
}

}  // namespace safer
