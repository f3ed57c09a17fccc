#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace safer {

/// Which reading of the paper a criterion follows: its formulas as printed, or what measurements recommend.
enum class PresetId { paper, recommended };
constexpr int preset_count = 2;

/// Where a criterion looks at the network. Criteria with the same probe share one sweep; `probe_table` in sweep.h says what each
/// accumulates, and what it costs.
enum class Probe {
  none,           // reads the weights alone
  at_weights,     // gradients at the weights as they are
  probabilities,  // there, but of all probabilities instead of the target
  likelihood,     // and of the logarithms of the network's own answers
  straight_path,  // gradients at the middles of equal steps from 0 to the weights
  path_changes,   // gradients at the ends of such steps, and how the target changes from one to the next
  guided_path,    // gradients along a path from the weights to 0 that moves first what has small gradients
  noise,          // gradients at weights with random noise
  masks,          // targets of networks that lack some neurons
  perturbation,   // probabilities while one layer loses weights, and while it has noise
  curvature,      // gradients a small step to either side of the weights, along random signs
  similarity,     // what layers read and give
};

/// sum[i] += what a criterion accumulates, from weights w[i] and their gradient g[i] for one sample (or, where a batch does as
/// well, summed over several). Vectorised; n may be 0.
using FoldFunction = void(double* sum, const float* w, const float* g, std::int64_t n);

/// What a criterion must be given. Criteria with equal needs share their sums, too.
struct Needs {
  Probe probe = Probe::none;
  bool per_sample = false;       // whether `fold` needs each sample's own gradient
  FoldFunction* fold = nullptr;  // where the probe sums gradients over samples
  bool operator==(const Needs&) const = default;
};

/// phi: one number for each weight of a layer, from the weights w and gradients g = dF/dw of the target F over samples.
struct Criterion {
  std::string_view name;                               // as on the command line
  std::array<std::string_view, preset_count> formula;  // by preset; E is the mean over samples
  std::string_view source;
  std::string_view cost;  // F, B: a forward, a reverse pass over the samples
  Needs (*needs)(PresetId preset);
  /// phi from what was accumulated: `sum` has `count` terms, samples times points of the path. phi and w are of one weight; sum is
  /// empty where nothing is accumulated.
  void (*finish)(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float> w, double count);
};

}  // namespace safer
