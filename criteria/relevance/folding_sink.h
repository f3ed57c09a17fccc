#pragma once

#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"
#include "criteria/relevance/sample_sink.h"
#include "criteria/relevance/sums.h"
#include "engine/parameters.h"

namespace safer {

/// Folds weight gradients into sums, a tile at a time while it is in cache: those of each group of samples into its own. Where any
/// need is per sample, all are fed each sample's own gradient; else they are fed the group's sum, which is cheaper.
class FoldingSink final : public SampleSink {
 public:
  /// Folds what those of `needs` ask for that have this probe; `sums` has a place for each of `needs`. `weights`: parameter ids in
  /// the order of `sums`; `parameters`: what the folds are given as w; `bounds`: of the groups in the samples, or of one that holds
  /// them all. All arguments must outlive the sink's sweeps unchanged, but for the sums.
  FoldingSink(Sums& sums, std::span<const Needs> needs, Probe probe, std::span<const int> weights, const Parameters& parameters,
              std::span<const std::int64_t> bounds);

  /// From now on only the weight at this place is wanted; TargetRuns::everything: all are.
  void want(int weight) { only_ = weight; }

  bool wants(int parameter) const override;
  bool per_sample() const override { return per_sample_; }
  void fold(const ParameterGradient<float>& gradient) override;

 private:
  struct Slot {
    std::size_t need;
    FoldFunction* fold;
  };
  void fold_rows(const ParameterGradient<float>& gradient, Range rows, float* tile);
  void fold_group(const ParameterGradient<float>& gradient, std::size_t group, Range samples, Range rows, float* tile);

  Sums& sums_;
  const Parameters& parameters_;
  std::span<const std::int64_t> bounds_;
  std::vector<Slot> slots_;
  std::vector<int> place_;                 // by parameter id, in `weights`; -1: not swept
  std::vector<std::vector<float>> tiles_;  // one a thread
  int only_;
  bool per_sample_ = false;
};

}  // namespace safer
