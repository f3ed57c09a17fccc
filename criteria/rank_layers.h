#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/shape.h"
#include "engine/tensor.h"

namespace safer {

struct Network;

/// What to rank by. Empty names take the preset's choice.
struct RankOptions {
  std::string preset = "recommended";
  std::vector<std::string> criteria = {};    // names, or "all" alone
  std::vector<std::string> reductions = {};  // names, or "all" alone
  std::string target = {};
  std::vector<std::int64_t> labels = {};               // one a sample; for the target label-ce, which needs them
  std::uint64_t seed = 0;                              // of the bootstrap, of noise and masks; other phi depend on it by rounding
  std::string path = "layer";                          // "joint": move all layers at once, for criteria that move weights
  int steps = 0;                                       // of a path; 0: the criterion's own number
  int draws = 25;                                      // of noise, 2 or more
  double noise = 0.05;                                 // its deviation, in units of max W - min W of each weight tensor
  int masks = 256;                                     // a layer (all layers, with "joint"), 2 or more
  bool rank_head = true;                               // whether the last layer is ranked too
  bool keep_relevance = false;                         // return phi itself, too
  std::int64_t batch = 0;                              // most samples that run at once; 0: what a moderate memory holds
  int resamples = 1000;                                // of the bootstrap, fewer for large networks; 0: no intervals
  std::size_t bootstrap_bytes = std::size_t{1} << 30;  // most memory for the bootstrap's sums, beyond one set of them
  /// Called now and then by the calling thread: `done` of `total` steps of about equal length, the last time with done = total.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

/// One line of a ranking. Where there is no interval its scores are NaN and its ranks those of any place: a bootstrap needs data,
/// groups and memory, and a phi that sums over samples, which those of some criteria do not (RankReport::resampled); the score of a
/// criterion that reads no data is certain: low = score = high.
struct RankedLayer {
  std::string name;  // the parameter's own, or its part's (fused q, k, v)
  std::string op;    // what reads it first: "linear"
  Shape shape;
  std::int64_t weights = 0;
  double score = 0;
  int rank = 0;                          // 1: most important; equal scores share a rank ("1 2 2 4")
  double score_low = 0, score_high = 0;  // 95 % bootstrap interval over calibration samples
  int rank_low = 0, rank_high = 0;       // likewise; low <= high, so that rank_low is the more important end
  bool tied = false;                     // shares its rank with a layer that did not fail
  bool failed = false;                   // the score is NaN or infinite; ranked last
};

/// A ranking by one criterion and one reduction, with everything that was used.
struct RankReport {
  std::string model, preset, criterion, reduction;
  std::string target;        // "none" for a criterion that reads no data
  std::int64_t samples = 0;  // that were read
  std::uint64_t seed = 0;
  // Where a criterion does not read them, these are empty or 0.
  std::string path = {};                 // "layer" or "joint"
  int steps = 0;                         // of the path
  int draws = 0, masks = 0;              // of noise; of neurons
  double noise = 0;                      // its deviation, in units of max W - min W
  bool resampled = false;                // whether there are intervals
  std::vector<RankedLayer> layers = {};  // in the order in which the network first uses them
};

/// phi of one criterion for one weight, which may hold several layers: float32, shape and name of the weight.
struct Relevance {
  std::string criterion, name;
  Tensor values;
};

struct RankResult {
  std::vector<RankReport> reports;   // every reduction of the first criterion, of the second, ...
  std::vector<Relevance> relevance;  // with keep_relevance, likewise; in order of first use
  std::int64_t sweeps = 0;           // passes over the whole calibration set
};

/// Scores and ranks the layers of a network. `calibration`: float32 [n, sample...], unlabelled; may be empty when no criterion
/// reads it. The network runs in inference mode. The same bits for any number of threads. Throws Error for unknown names (listing
/// the known ones), a calibration shape that is not the input's, a target without its labels, and a network whose weights are
/// not f32, or that has no layers or, where the criterion needs them, no per-sample gradients.
RankResult rank_layers(const Network& network, const Tensor& calibration, const RankOptions& options = {});

/// The same by each of some presets in turn, whatever options.preset says: what does not depend on the preset is computed once. The
/// networks without some neurons, of which hsic wants the outputs, are kept meanwhile: a float for each layer, mask, sample and
/// class.
std::vector<RankResult> rank_layers(const Network& network, const Tensor& calibration, const RankOptions& options,
                                    std::span<const std::string> presets);

/// How often every sample goes through the network.
struct Passes {
  std::int64_t forward = 0, reverse = 0;
};

/// What a ranking takes; passes that begin at a moved layer are counted whole. Throws Error likewise.
Passes count_passes(const Network& network, const RankOptions& options);

}  // namespace safer
