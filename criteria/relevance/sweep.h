#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "criteria/relevance/criterion.h"
#include "criteria/relevance/sums.h"
#include "engine/ops/target.h"
#include "models/network.h"

namespace safer {

/// The samples that gradients are taken over.
struct Calibration {
  const Tensor& inputs;                  // f32 [n, sample...]
  std::span<const std::int64_t> labels;  // one a sample, for the target label-ce
  Target target;
};

struct SweepOptions {
  int groups = 1;  // 1..n; what is in which group follows from the seed
  std::uint64_t seed = 0;
  std::int64_t batch = 32;                                                   // most samples that run at once
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // in samples
};

/// One forward and one reverse pass over the samples at the weights as they are, in inference mode, with the class of each sample
/// frozen: the label, or else what the network itself says. Folds the gradient of the target by the parameters `weights` as each
/// of `needs` asks. Memory: the sums, and a batch. Throws Error when the calibration does not fit the network.
Sums sweep_at_weights(const Network& network, const Calibration& calibration, std::span<const int> weights,
                      std::span<const Needs> needs, const SweepOptions& options);

}  // namespace safer
