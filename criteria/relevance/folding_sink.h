#pragma once

#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"
#include "criteria/relevance/sums.h"
#include "engine/parameters.h"
#include "engine/tape/gradient_sink.h"

namespace safer {

/// Folds the weight gradients of a batch into one group of sums, a tile at a time while it is in cache. When any need is per
/// sample, all are fed each sample's own gradient; else they are fed the batch's sum, which is cheaper.
class FoldingSink final : public GradientSink<float> {
 public:
  /// `weights`: parameter ids in the order of `sums`. All arguments but `sums` must outlive the sink's sweeps unchanged.
  FoldingSink(Sums& sums, std::span<const Needs> needs, std::span<const int> weights, const Parameters& parameters);

  /// Which group the samples of the next sweeps belong to.
  void select(std::size_t group) { group_ = group; }

  bool wants(int parameter) const override { return place_[static_cast<std::size_t>(parameter)] >= 0; }
  bool per_sample() const override { return per_sample_; }
  void fold(const ParameterGradient<float>& gradient) override;

 private:
  void fold_rows(const ParameterGradient<float>& gradient, Range rows, float* tile);

  Sums& sums_;
  std::span<const Needs> needs_;
  const Parameters& parameters_;
  std::vector<int> place_;                 // by parameter id, in `weights`; -1: not wanted
  std::vector<std::vector<float>> tiles_;  // one a thread
  std::size_t group_ = 0;
  bool per_sample_ = false;
};

}  // namespace safer
