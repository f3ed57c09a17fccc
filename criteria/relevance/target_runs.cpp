#include "criteria/relevance/target_runs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"

namespace safer {
namespace {

constexpr std::int64_t largest_batch = 256, batch_bytes = std::int64_t{256} << 20;
constexpr std::size_t kept_bytes = std::size_t{1} << 30;  // of all batches together, where each has memory of its own

bool sweeps(Swept swept) { return swept != Swept::nothing && swept != Swept::logits; }

/// 0, size, 2 size, ..., n.
std::vector<std::int64_t> split_at_multiples(std::int64_t n, std::int64_t size) {
  std::vector<std::int64_t> bounds;
  for (std::int64_t at = 0; at < n; at += size) bounds.push_back(at);
  bounds.push_back(n);
  return bounds;
}

/// As many samples as fit if no two values or gradients of a run shared memory.
std::int64_t affordable_batch(const Tape& tape, bool gradients) {
  std::int64_t sample = 1;
  for (const Node& node : tape.nodes())
    if (node.kind == Node::Kind::op && node.type.batched()) sample += node.type.shape.size();
  sample *= static_cast<std::int64_t>(sizeof(float)) * (gradients ? 2 : 1);
  return std::clamp<std::int64_t>(batch_bytes / sample, 1, largest_batch);
}

void check_labels(const Calibration& calibration, std::int64_t samples, std::int64_t classes) {
  if (std::ssize(calibration.labels) != samples)
    throw Error("target '{}': {} labels for {} samples; give one label a sample or choose another target", name(calibration.target),
                calibration.labels.size(), samples);
  for (const std::int64_t label : calibration.labels)
    if (label < 0 || label >= classes)
      throw Error("target '{}': label {}, but the network has classes 0 to {}", name(calibration.target), label, classes - 1);
}

}  // namespace

std::vector<std::int64_t> split(std::int64_t n, std::int64_t parts) {
  std::vector<std::int64_t> bounds{0};
  for (std::int64_t i = 0; i < parts; ++i) bounds.push_back(bounds.back() + n / parts + (i < n % parts));
  return bounds;
}

/// The network with what is swept backwards.
struct TargetRuns::Program {
  Tape tape;
  ValueId root, classes = no_value;  // the target, or the logits; its input of class numbers, if it has one
  bool gives_logits;
  std::vector<ValueId> weights;  // those that lead to the root
  std::vector<int> place;        // in `weights`, by the place of a weight in TargetRuns; -1: leads nowhere

  Program(const Network& network, Target target, Swept swept, std::span<const int> parameters)
      : tape(network.tape), root(network.logits), gives_logits(safer::gives_logits(swept)) {
    if (!gives_logits) add(target);
    const std::vector<bool> leads = leads_to_root();
    for (const int parameter : parameters) {
      const ValueId value = tape.parameter_value(parameter);
      const bool reaches = leads[static_cast<std::size_t>(value)];
      place.push_back(reaches ? static_cast<int>(weights.size()) : -1);
      if (reaches) weights.push_back(value);
    }
  }

  void add(Target target) {
    const Var logits = tape.var(root);
    Var of;
    if (reads_classes(target, logits.type())) of = tape.input("target.classes", Shape{}, DType::i64);
    classes = of.id();
    root = record_target(target, logits, of).id();
  }

  /// Whether a batch's gradient is the sum of its samples' own: not where weights are computed with before they are used.
  bool samples_are_apart() const {
    std::vector<bool> varies(static_cast<std::size_t>(tape.size()));
    for (ValueId id = 0; id < tape.size(); ++id) {
      const Node& node = tape.node(id);
      const auto at = static_cast<std::size_t>(id);
      varies[at] = node.kind == Node::Kind::parameter || node.type.batched();
      for (const ValueId input : node.inputs) varies[at] = varies[at] || varies[static_cast<std::size_t>(input)];
      if (node.kind == Node::Kind::op && varies[at] && !node.type.batched()) return false;
    }
    return true;
  }

  std::vector<bool> leads_to_root() const {
    std::vector<bool> leads(static_cast<std::size_t>(tape.size()));
    leads[static_cast<std::size_t>(root)] = true;
    for (ValueId id = root; id >= 0; --id)
      if (leads[static_cast<std::size_t>(id)])
        for (const ValueId input : tape.node(id).inputs) leads[static_cast<std::size_t>(input)] = true;
    return leads;
  }
};

/// The memory of runs of one batch size. A tap on the logits freezes the classes while a run goes by, before the target reads them.
class TargetRuns::Batch {
 public:
  Batch(const Program& program, const Network& network, std::int64_t size, const RunOptions& options)
      : root_(program.root),
        inputs_(static_cast<std::size_t>(size * network.sample_shape().size())),
        classes_(static_cast<std::size_t>(size)),
        answers_(classes_.size()),
        targets_(program.gives_logits ? 0 : classes_.size()),
        classes_of_network_(network.classes()),
        swept_(options.swept),
        seeds_(classes_.size() * static_cast<std::size_t>(program.gives_logits ? network.classes() : 1)),
        workspace_(std::make_shared<Plan>(program.tape,
                                          PlanOptions{.batch = size,
                                                      .root = program.root,
                                                      .gradients = sweeps(options.swept) ? program.weights : std::vector<ValueId>{},
                                                      .resume = options.moves_one ? program.weights : std::vector<ValueId>{},
                                                      .taps = {network.logits}})) {
    workspace_.bind(network.input, inputs_);
    if (program.classes == no_value) return;
    workspace_.bind(program.classes, classes_);
    workspace_.tap(network.logits, [this, classes = network.classes()](std::span<float> logits) {
      if (freezes_) freeze(predicted_classes<float>(logits, classes));
    });
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::int64_t size() const { return static_cast<std::int64_t>(classes_.size()); }
  std::size_t bytes() const { return workspace_.plan().bytes(); }
  std::span<float> inputs() { return inputs_; }
  /// The classes that targets read; -1 is no answer, because a logit was NaN.
  void freeze(std::span<const std::int64_t> classes) {
    answers_.assign(classes.begin(), classes.end());
    for (std::size_t s = 0; s < classes_.size(); ++s) classes_[s] = std::max<std::int64_t>(0, classes[s]);
  }
  std::span<const std::int64_t> classes() const { return answers_; }

  void replay(const Parameters& parameters, bool freeze = false) {
    freezes_ = freeze;
    workspace_.replay(parameters);
    freezes_ = false;
  }
  void resume(int weight, const Parameters& parameters) { workspace_.resume(static_cast<std::size_t>(weight), parameters); }
  /// What the last run gave: the logits, or the targets, NaN where there is no class to ask for.
  std::span<const float> given() {
    if (targets_.empty()) return workspace_.value(root_);
    std::ranges::copy(workspace_.value(root_), targets_.begin());
    for (std::size_t s = 0; s < targets_.size(); ++s)
      if (answers_[s] < 0) targets_[s] = std::numeric_limits<float>::quiet_NaN();
    return targets_;
  }
  void reverse(SampleSink& sink, std::span<const std::int64_t> samples) {
    if (!targets_.empty()) return reverse_targets(sink);
    for (std::int64_t sweep = 0; sweep < output_sweeps(classes_of_network_); ++sweep) {
      output_seeds(swept_, sweep, samples, classes_of_network_, workspace_.value(root_), seeds_);
      workspace_.reverse(sink, seeds_);
    }
  }

  std::int64_t holds = -1;      // the batch whose inputs and classes are loaded
  bool at_own_weights = false;  // the last full run was of that batch at the network's own weights

 private:
  /// A target that is NaN can have finite gradients (that of a NaN logit by a weight behind it); they must not pass for an answer.
  void reverse_targets(SampleSink& sink) {
    const std::span<const float> of = given();
    for (std::size_t s = 0; s < seeds_.size(); ++s) seeds_[s] = std::isfinite(of[s]) ? 1 : std::numeric_limits<float>::quiet_NaN();
    workspace_.reverse(sink, seeds_);
  }

  ValueId root_;
  std::vector<float> inputs_;
  std::vector<std::int64_t> classes_, answers_;
  std::vector<float> targets_;
  std::int64_t classes_of_network_;
  Swept swept_;
  std::vector<float> seeds_;  // of targets 1 for each sample: the gradient of their sum
  bool freezes_ = false;
  Workspace<float> workspace_;
};

TargetRuns::TargetRuns(const Network& network, const Calibration& calibration, std::span<const int> weights,
                       const RunOptions& options)
    : network_(network), calibration_(calibration), options_(options) {
  const std::int64_t n = calibration.inputs.shape()[0];
  const bool labelled = calibration.target == Target::label_ce;
  if (labelled) check_labels(calibration, n, std::max<std::int64_t>(2, network.classes()));  // one logit tells two apart
  if (options.batch < 0) throw Error("calibration: batches of {} samples; use at least 1", options.batch);
  program_ = std::make_unique<Program>(network, calibration.target, options.swept, weights);

  // Which samples form a group must not follow from their order, which may be by class.
  order_.resize(static_cast<std::size_t>(n));
  std::iota(order_.begin(), order_.end(), 0);
  Random(mix(options.seed, hash("bootstrap.groups"))).shuffle<std::int64_t>(order_);
  bounds_ = split(n, options.groups);
  const std::int64_t most = options.batch > 0 ? options.batch : affordable_batch(program_->tape, sweeps(options.swept));
  batches_ = {0};
  const bool apart = program_->samples_are_apart() || options.chunk > 0;  // chunks are not summed up by group
  const std::vector<std::int64_t> stretches = apart ? split_at_multiples(n, options.chunk > 0 ? options.chunk : n) : bounds_;
  for (std::size_t i = 0; i + 1 < stretches.size(); ++i) {
    const std::int64_t size = stretches[i + 1] - stretches[i];
    const std::vector<std::int64_t> parts = split(size, (size + most - 1) / most);
    for (std::size_t part = 1; part < parts.size(); ++part) batches_.push_back(stretches[i] + parts[part]);
  }
  frozen_.assign(batches_.size() - 1, labelled || program_->classes == no_value);
  classes_.resize(order_.size());
  if (labelled)
    for (std::size_t s = 0; s < order_.size(); ++s) classes_[s] = calibration.labels[static_cast<std::size_t>(order_[s])];
}

TargetRuns::~TargetRuns() = default;

template <class T>
void TargetRuns::copy_inputs(Range samples, std::span<T> to) const {
  const std::span<const float> all = calibration_.inputs.values<float>();
  const std::size_t size = to.size() / static_cast<std::size_t>(samples.size());
  for (std::int64_t s = samples.begin; s < samples.end; ++s)
    std::ranges::copy(all.subspan(static_cast<std::size_t>(order_[static_cast<std::size_t>(s)]) * size, size),
                      to.begin() + (s - samples.begin) * static_cast<std::int64_t>(size));
}
template void TargetRuns::copy_inputs(Range, std::span<float>) const;
template void TargetRuns::copy_inputs(Range, std::span<double>) const;

bool TargetRuns::leads(std::size_t weight) const { return program_->place[weight] >= 0; }

std::span<const std::int64_t> TargetRuns::classes() {
  if (program_->classes == no_value) return {};
  for (std::size_t b = 0; b < batches(); ++b) load(b, false);
  return classes_;
}

bool TargetRuns::keeps_all() {
  if (!options_.moves_one || options_.chunk > 0) return false;  // chunks are run one by one
  if (made_.empty()) made_.push_back(std::make_unique<Batch>(*program_, network_, batches_[1], options_));
  return made_.front()->bytes() * batches() <= kept_bytes;
}

TargetRuns::Batch& TargetRuns::load(std::size_t b, bool at_own_weights) {
  const std::int64_t first = batches_[b], size = batches_[b + 1] - first;
  const bool own_memory = keeps_all();
  auto found = std::ranges::find_if(made_, [&](const auto& batch) {
    return batch->size() == size && (!own_memory || batch->holds < 0 || batch->holds == static_cast<std::int64_t>(b));
  });
  if (found == made_.end()) {
    made_.push_back(std::make_unique<Batch>(*program_, network_, size, options_));
    found = made_.end() - 1;
  }
  Batch& batch = **found;
  const auto classes = std::span(classes_).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
  if (batch.holds != static_cast<std::int64_t>(b)) {
    copy_inputs({first, first + size}, batch.inputs());
    batch.freeze(classes);
    batch.holds = static_cast<std::int64_t>(b);
    batch.at_own_weights = false;
  }
  if (!frozen_[b] || (at_own_weights && !batch.at_own_weights)) {
    batch.replay(network_.parameters, !frozen_[b]);
    std::ranges::copy(batch.classes(), classes.begin());
    frozen_[b] = true;
    batch.at_own_weights = true;
  }
  return batch;
}

void TargetRuns::run(const Parameters& parameters, int moved, SampleSink& sink, std::span<float> given) {
  // To start in the middle pays where the first part is still there.
  const int from = moved >= 0 && keeps_all() ? program_->place[static_cast<std::size_t>(moved)] : -1;
  for (std::size_t b = 0; b + 1 < batches_.size(); ++b) {
    Batch& batch = load(b, moved == nothing || from >= 0);
    if (from >= 0) {
      batch.resume(from, parameters);
    } else if (moved != nothing) {
      batch.replay(parameters);
      batch.at_own_weights = false;
    }
    if (!given.empty()) {
      const std::span<const float> own = batch.given();
      std::ranges::copy(own, given.begin() + static_cast<std::ptrdiff_t>(batches_[b] * std::ssize(own) / batch.size()));
    }
    sink.select({batches_[b], batches_[b + 1]});
    batch.reverse(sink, std::span(order_).subspan(static_cast<std::size_t>(batches_[b]), static_cast<std::size_t>(batch.size())));
    report(batch.size());
  }
}

std::span<const float> TargetRuns::run_batch(std::size_t number, const Parameters& parameters, int moved) {
  const int from = moved >= 0 && options_.moves_one ? program_->place[static_cast<std::size_t>(moved)] : -1;
  Batch& batch = load(number, from >= 0);
  if (from >= 0) {
    batch.resume(from, parameters);
  } else {
    batch.replay(parameters);
    batch.at_own_weights = moved == nothing;
  }
  report(batch.size());
  return batch.given();
}

}  // namespace safer
