#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "criteria/damage.h"
#include "criteria/ranking.h"
#include "criteria/testbed/noisy_runs.h"
#include "criteria/testbed/partial_order.h"
#include "models/data/dataset.h"
#include "models/network.h"

namespace safer {

/// How the importance of layers is measured.
struct MeasureOptions {
  NoiseSweep sweep = {};
  std::int64_t points = 0;                 // of a draw; 0: 32, or fewer where a run of so many does not fit a moderate memory
  int first_draws = 32, most_draws = 512;  // before the first look, and at most; looks are at doubled numbers between them
  double confidence = 0.95;                // that no pair of layers is called settled wrongly
  Damage ranked_by = Damage::probabilities;
  std::uint64_t seed = 0;
  bool rank_head = true;  // whether the last layer is measured too
  /// Called now and then by the calling thread: `done` of at most `total` draws of single layers.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct LayerDamage {
  std::string name;  // the parameter's own, or its part's
  std::string op;    // what reads it first
  Shape shape;
  double unit = 0;  // M, what the levels of noise are multiplied with
  int draws = 0;    // of every level
  std::vector<std::array<Estimate, damage_count>> by_level = {};
  std::array<Estimate, damage_count> mean = {};  // over the levels; the error is that of whole draws
};

/// Which layers matter: the true order, as far as it could be measured.
struct Measurement {
  std::vector<LayerDamage> layers = {};               // in the order in which the network first uses them
  std::array<PartialOrder, damage_count> order = {};  // by damage: the settled pairs
  std::int64_t points = 0;                            // of a draw
  int looks = 0;                                      // that were made
  bool labelled = false;                              // whether accuracy is that of labels rather than the network's own answers
  std::vector<double> scores(Damage kind) const;      // mean damage by layer
  std::vector<double> scores(Damage kind, std::size_t level) const;
};

/// Measures the damage of noise on one layer at a time (SAfER eq. 1, positive: larger is more important), as the mean over fresh
/// points, fresh noise and the levels. Draws go on until neighbours in the order by `ranked_by` are settled, or to the cap; layers
/// whose neighbours are settled are drawn no further. The same bits for any number of threads; memory: a workspace a thread. Throws
/// Error when data and network do not fit, options make no sense, or the network has no layers or, where noise on activations is
/// wanted, one without activations.
Measurement measure(const Network& network, const Dataset& data, const MeasureOptions& options = {});

/// The layers that are measured and ranked: all, or all but the last.
std::vector<Layer> measured_layers(const Network& network, bool rank_head);

}  // namespace safer
