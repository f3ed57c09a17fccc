#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "criteria/damage.h"
#include "engine/tape/workspace.h"
#include "models/data/dataset.h"
#include "models/network.h"
#include "models/perturbation.h"

namespace safer {

/// What the noise is put on.
enum class Place { weights, activations };
constexpr std::array<std::string_view, 2> place_names = {"weights", "activations"};

/// One noise on one layer at a time, at each of some levels.
struct NoiseSweep {
  Noise noise = Noise::zero;
  Place place = Place::weights;
  std::vector<double> levels = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
  bool whole_neurons = false;     // zeroing of weights: whole neurons too, as that of activations always is
  bool unit_of_activity = false;  // noise on activations: its unit is max |activation| instead of the layer's max |weight|
};

/// The largest |activation| of each layer over the data, where NoiseSweep::unit_of_activity asks for it; else its largest |weight|.
std::vector<double> noise_units(const Network& network, std::span<const Layer> layers, const Dataset& data,
                                const NoiseSweep& sweep);

/// How a network's runs with noise are laid out: shared by all threads.
struct NoisyPlan {
  /// Throws Error where noise is wanted on the activations of a layer that has none: its weight is read by other computations
  /// first.
  NoisyPlan(const Network& network, std::span<const Layer> layers, const NoiseSweep& sweep, std::int64_t points);

  /// A layer's activation at one of its uses, seen along its neurons.
  struct Activation {
    ValueId value;
    NeuronView view;
    std::size_t layer;
  };
  std::vector<Activation> activations;  // of all layers, with noise on activations
  std::vector<std::size_t> resume;      // by layer: the place of its resume point
  std::shared_ptr<const Plan> plan;
};

/// One thread's part in measuring: a workspace, copies of the tensors that are perturbed, and points. A draw takes fresh points and
/// runs every layer at every level with noise of its own; what is not behind the perturbed layer is computed once for all of them.
/// Nothing is allocated once every layer has been drawn.
class NoisyRuns {
 public:
  /// All arguments must outlive the object.
  NoisyRuns(const Network& network, std::span<const Layer> layers, const NoiseSweep& sweep, std::span<const double> units,
            const Dataset& data, const NoisyPlan& plan);
  NoisyRuns(const NoisyRuns&) = delete;
  NoisyRuns& operator=(const NoisyRuns&) = delete;

  /// Draw number `draw` of the layers that `wanted` names: out[i] gets the damages of wanted[i] by level. All random numbers are a
  /// function of the seed, the number and the layer, and points are the same for all layers.
  void draw(std::uint64_t seed, std::uint64_t draw, std::span<const std::size_t> wanted, std::span<const std::span<Damages>> out);

 private:
  void take_points(std::uint64_t key);
  void run(std::size_t layer, const NoiseDraw& noise);

  const Network& network_;
  std::span<const Layer> layers_;
  const NoiseSweep& sweep_;
  std::span<const double> units_;
  const Dataset& data_;
  const NoisyPlan& plan_;
  Workspace<float> workspace_;
  std::vector<std::optional<Parameters>> replicas_;  // by parameter
  std::vector<float> inputs_;
  std::vector<std::int64_t> labels_;
  DamageMeter meter_;
  std::optional<std::size_t> noisy_layer_;  // whose activations are disturbed in the run at hand
  NoiseDraw noise_;
};

}  // namespace safer
