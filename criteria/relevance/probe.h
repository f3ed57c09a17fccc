#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"
#include "criteria/relevance/output_seeds.h"
#include "criteria/relevance/sums.h"
#include "engine/ops/target.h"
#include "models/network.h"

namespace safer {

class TargetRuns;

/// How far and how often probes look around the weights.
struct ProbeOptions {
  bool joint = false;   // move all weight tensors at once instead of one at a time
  int steps = 0;        // of a path; 0: the probe's own number
  int draws = 25;       // of noise
  double noise = 0.05;  // its standard deviation, in units of max W - min W of each weight tensor
  int masks = 256;      // for each weight tensor, or all of them together where `joint`
};

/// What sweeps of one network over the same calibration set, with the same options, have in common whatever their target and
/// needs are: kept by those who sweep several times.
struct SharedSweeps {
  int groups = 0;  // of samples, which those who share must agree on; 0: nothing is here yet
  struct Swept {
    Needs needs;
    std::vector<std::vector<double>> sums;  // by group and weight
  };
  std::vector<Swept> outputs;        // of needs that read outputs and no target
  std::vector<float> masked_logits;  // as sweep_masks() runs: [batches, designs, masks, samples, classes]
};

/// What a sweep works on.
struct SweepContext {
  const Network& network;
  std::span<const int> weights;  // parameter ids
  std::span<const Needs> needs;  // of all probes: those of others are none of a sweep's business
  const ProbeOptions& options;
  std::uint64_t seed;  // of noise, masks and signs
  Target target;
  TargetRuns& runs;
  Sums& sums;  // a place for each of `needs`
  SharedSweeps* shared = nullptr;
};

/// A layer whose weight is swept.
struct SweptLayer {
  Layer layer;
  std::size_t weight;       // its weight's place in SweepContext::weights
  std::size_t part, parts;  // which of its weight's parts it is, and how many that has: 0 of 1 for a whole weight
};
/// In the order in which the network first uses them.
std::vector<SweptLayer> swept_layers(const SweepContext& context);
/// The place in SweepContext::needs of what criteria with this probe need, where they all need the same.
std::size_t need_of(const SweepContext& context, Probe probe);

/// What a criterion has one value for: each weight, each output neuron, or each layer (a part of a weight tensor, or all of it).
enum class Grain { weight, neuron, layer };

/// A row of the table of probes: what criteria with this probe cost, share and may be told.
struct ProbeInfo {
  Probe probe;
  bool reads_path = false;   // ProbeOptions::joint means something
  bool reads_noise = false;  // likewise draws and noise
  bool reads_masks = false;
  bool forward_only = false;
  Grain grain = Grain::weight;
  Swept swept = Swept::target;
  int steps = 0;  // the probe's own number of steps; 0: it has none
  /// How often a sweep runs each sample.
  std::int64_t (*runs)(const ProbeOptions& options, std::span<const ParameterSpec* const> weights);
  /// What a need accumulates for weight tensors of these shapes.
  Sums::Layout (*layout)(const Needs& needs, const ProbeOptions& options, std::span<const ParameterSpec* const> weights);
  void (*sweep)(const SweepContext& context);
  std::int64_t chunk = 0;  // RunOptions::chunk
};

/// Probe::none has no row.
const ProbeInfo& info(Probe probe);
std::span<const ProbeInfo> probes();

/// The steps of a path: those asked for, or the probe's own.
inline int steps_of(Probe probe, const ProbeOptions& options) { return options.steps > 0 ? options.steps : info(probe).steps; }

}  // namespace safer
