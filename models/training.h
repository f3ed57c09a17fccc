#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "models/network.h"

namespace safer {

struct Dataset;

struct TrainProgress {
  int epoch = 0, epochs = 0;         // epoch: of the step just done, from 0
  std::int64_t step = 0, steps = 0;  // done, and of the whole training
  double loss = 0;                   // mean cross-entropy of the step's batch, before the step
};

struct TrainOptions {
  int epochs = 6;
  std::int64_t batch = 32;
  double learning_rate = 0.01;
  /// The part of the training at whose end the learning rate has fallen, linearly, to 0. With a constant rate the weights keep the
  /// noise of the last steps, which costs small networks up to some percent of accuracy.
  double cooldown = 1.0 / 3;
  /// Weight of the newest batch in the running statistics of batch norm; see models/running_statistics.h.
  double batch_norm_momentum = 0.1;
  std::uint64_t seed = 1;                                        // of the order of samples and of dropped branches
  std::function<void(const TrainProgress&)> progress = nullptr;  // called after each step
};

/// Trains `network` in place: Adam on the mean cross-entropy of shuffled batches; what remains at the end of an epoch is a smaller
/// batch. Running statistics of batch norm follow the batches. Returns the mean loss of each epoch, over its samples, each as it
/// was seen. The trained bits are the same for any number of threads. Throws Error when the data does not fit the network or has no
/// labels, when an option makes no sense, and when a gradient becomes NaN or infinite (the network then is as it was before that
/// step).
std::vector<double> train(Network& network, const Dataset& data, const TrainOptions& options = {});

}  // namespace safer
