#pragma once

#include <vector>

#include "engine/ops/norm.h"
#include "engine/tape/workspace.h"

namespace safer {

/// Keeps the running mean and variance of every batch norm of a network up to date during training. Runs do not change parameters,
/// so that many may share them; this looks at what a run left behind, instead:
///   running = (1 - momentum) running + momentum of the batch
/// with the unbiased variance of the batch (divided by n - 1), as PyTorch does. A batch with one value a channel says nothing
/// about the variance, which then stays as it was. A batch norm whose statistics are no parameters has none to keep.
class RunningStatistics {
 public:
  /// `momentum`: weight of the newest batch. Throws Error unless it is between 0 and 1.
  RunningStatistics(const Tape& tape, double momentum);

  /// What update() reads: outputs that the plan of a training run must have.
  const std::vector<ValueId>& reads() const { return reads_; }
  /// After a run in Mode::training.
  void update(Parameters& parameters, const Workspace<float>& workspace);

 private:
  struct Layer {
    ValueId x;
    int mean, variance;  // parameters
  };
  std::vector<Layer> layers_;
  std::vector<ValueId> reads_;
  std::vector<float> mean_, variance_;  // of the batch, for the layer at hand
  double momentum_;
};

}  // namespace safer
