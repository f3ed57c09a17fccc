#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "criteria/relevance/output_seeds.h"
#include "criteria/relevance/sample_sink.h"
#include "engine/ops/target.h"
#include "models/network.h"

namespace safer {

/// The samples that a sweep reads.
struct Calibration {
  const Tensor& inputs;                  // f32 [n, sample...]
  std::span<const std::int64_t> labels;  // one a sample, for the target label-ce
  Target target;
};

/// Splits n things into parts whose sizes differ by at most one, larger ones first; part i is [bounds[i], bounds[i + 1]).
std::vector<std::int64_t> split(std::int64_t n, std::int64_t parts);

struct RunOptions {
  int groups = 1;  // 1..n; what is in which group follows from the seed
  std::uint64_t seed = 0;
  std::int64_t batch = 0;       // most samples that run at once; 0: as many as a moderate amount of memory holds
  std::int64_t chunk = 0;       // no batch has samples of two chunks of this size; 0: there are none
  Swept swept = Swept::target;  // what runs give, and where sweeps start
  bool moves_one = false;       // whether single weights will be moved: their runs then start where they are read
  std::function<void(std::int64_t samples)> progress = {};  // called after each batch with its size
};

/// A network, with a target behind its logits where that is asked for, run over all calibration samples at whatever weights, in
/// inference mode. The class of each sample is frozen: its label, or else what the network says at its own weights. Samples lie in
/// groups, drawn by the seed, and are counted in the order of the groups. Nothing is planned anew from run to run.
class TargetRuns {
 public:
  /// `weights`: the parameters that are swept. The network and the calibration must outlive this object, the network unchanged.
  /// Throws Error when the labels do not fit.
  TargetRuns(const Network& network, const Calibration& calibration, std::span<const int> weights, const RunOptions& options);
  ~TargetRuns();

  std::int64_t samples() const { return bounds_.back(); }
  /// Group g holds the samples bounds[g] .. bounds[g + 1] - 1.
  const std::vector<std::int64_t>& group_bounds() const { return bounds_; }

  /// What differs from the network's own weights: nothing, everything, or the one at this place in `weights`.
  static constexpr int nothing = -1, everything = -2;
  /// Runs all samples at `parameters`. The sink is offered the weight gradients of the sum of targets, batch by batch, or else of
  /// each sweep of outputs in turn. given: the target of each sample or its logits, or empty.
  void run(const Parameters& parameters, int moved, SampleSink& sink, std::span<float> given = {});

  /// For those who run samples on their own, in their order here: the inputs of some, [samples, sample...]; ...
  template <class T>
  void copy_inputs(Range samples, std::span<T> to) const;
  /// ... the class that the target asks each sample for, -1 where the network has no answer; empty for targets that ask for none;
  std::span<const std::int64_t> classes();
  /// ... and that so many samples were run.
  void report(std::int64_t samples) const {
    if (options_.progress) options_.progress(samples);
  }

  /// Whether the weight at this place in `weights` leads to the target, or the logits.
  bool leads(std::size_t weight) const;

  std::size_t batches() const { return batches_.size() - 1; }
  Range batch(std::size_t number) const { return {batches_[number], batches_[number + 1]}; }
  /// Runs a single batch; what it gives is valid until the next run. Many runs of one batch are cheaper than many of all in turn:
  /// what lies before the moved weight is computed once.
  std::span<const float> run_batch(std::size_t number, const Parameters& parameters, int moved);

 private:
  class Batch;
  Batch& load(std::size_t batch, bool at_own_weights);
  bool keeps_all();  // whether each batch has memory of its own, and not each size of batch

  const Network& network_;
  const Calibration calibration_;
  RunOptions options_;
  struct Program;
  std::unique_ptr<Program> program_;
  std::vector<std::int64_t> order_, bounds_, batches_;  // batch b: samples batches_[b] .. batches_[b + 1] - 1
  std::vector<std::int64_t> classes_;                   // frozen, by place in order_
  std::vector<bool> frozen_;                            // by batch
  std::vector<std::unique_ptr<Batch>> made_;            // as keeps_all() says; of sizes there are few
};

}  // namespace safer
