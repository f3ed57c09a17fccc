#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "models/network.h"

namespace safer {

struct Dataset;
struct DataSource;

struct Evaluation {
  double accuracy = 0, cross_entropy = 0;  // cross_entropy: mean, in nats
  std::int64_t correct = 0, samples = 0;
};

/// Logits [n, classes] of inputs [n, sample...], computed `batch` samples at a time; 0: as many, up to 256, as a run has 256 MiB
/// for. Throws Error when the inputs do not fit.
Tensor predict(const Network& network, const Tensor& inputs, std::int64_t batch = 0);

/// The same for all samples of a source, which are read beside the computing, so that few of them are in memory at once. `progress`
/// is called now and then by the calling thread: `done` of `total` samples.
using SampleProgress = std::function<void(std::int64_t done, std::int64_t total)>;
Tensor predict(const Network& network, const DataSource& source, const SampleProgress& progress = {});

/// How well the network does on labelled data, in inference mode. The class is that of the largest logit, the first one of
/// equals; a sample with a NaN logit is wrong. Throws Error when the data does not fit or has no labels or no samples.
Evaluation evaluate(const Network& network, const Dataset& data, std::int64_t batch = 0);
Evaluation evaluate(const Network& network, const DataSource& source, const SampleProgress& progress = {});

/// Throws Error unless `inputs` is [n, sample...] of f32 for the network's sample; `who` begins the message.
void check_inputs(const Network& network, const Tensor& inputs, std::string_view who);
/// Throws Error unless there are samples, and one label each, one of the network's classes.
void check_labels(const Network& network, const Dataset& data, std::string_view who);

}  // namespace safer
