#pragma once

#include <span>
#include <vector>

#include "criteria/reduction.h"
#include "criteria/relevance/criterion.h"
#include "criteria/relevance/probe.h"
#include "criteria/relevance/sums.h"
#include "engine/parameters.h"
#include "engine/tape/tape.h"

namespace safer {

/// From sums over samples to one score a layer: finishes phi of each criterion, and reduces it over each layer.
class LayerScores {
 public:
  struct Request {
    PresetId preset;
    std::vector<const Criterion*> criteria;
    std::vector<const Reduction*> reductions;
  };
  /// `weights`: the parameters of the layers, in the order of `sums`, whose needs are those that distinct_needs() lists. All
  /// arguments but the request must outlive this object.
  LayerScores(const Request& request, const Parameters& parameters, std::span<const int> weights, std::span<const Layer> layers,
              const Sums& sums);

  /// The criteria's needs, each once, without those that read no data.
  static std::vector<Needs> distinct_needs(const Request& request);

  std::size_t scores() const { return request_.criteria.size() * request_.reductions.size() * layers_.size(); }
  /// Whether phi is a function of sums over samples, so that resamples of them can be scored.
  bool resamples(std::size_t criterion) const;
  /// The scores by all samples: out [criteria, reductions, layers].
  void score(std::span<double> out) const;
  /// Scores of each resample, in which group g of the samples counts draws[g] times: draws [resamples, groups], out [resamples,
  /// criteria, reductions, layers]. NaN for criteria that cannot be resampled.
  void resample(std::span<const int> draws, std::span<double> out) const;
  /// The shape of a criterion's phi for one weight: the weight's, or its number of output neurons or of layers.
  Shape relevance_shape(std::size_t criterion, std::size_t weight) const;
  /// phi of one criterion for one weight, of all samples: out[relevance_shape].
  void relevance(std::size_t criterion, std::size_t weight, std::span<double> out) const;

 private:
  struct Scratch {
    std::vector<std::vector<double>> sums;  // by need
    std::vector<double> phi, part, reduce;
  };
  enum class Scored { all, resampled };
  Scratch make_scratch() const;
  void score_one(std::span<const int> draws, Scored which, std::span<double> out, Scratch& scratch) const;
  void combine(std::size_t weight, std::span<const int> draws, Scored which, Scratch& scratch) const;
  void finish(std::size_t criterion, std::size_t weight, std::span<const int> draws, std::span<double> phi,
              const Scratch& scratch) const;

  std::size_t elements(std::size_t criterion, std::size_t weight) const;
  Grain grain(std::size_t criterion) const;
  std::span<const double> of_layer(std::size_t criterion, std::size_t layer, std::span<const double> phi, Scratch& scratch) const;

  Request request_;
  const Parameters& parameters_;
  std::span<const int> weights_;
  std::span<const Layer> layers_;
  const Sums& sums_;
  std::vector<Needs> needs_;
  std::vector<std::size_t> need_;  // by criterion: place in needs_; their number when it reads no data
};

/// The elements of `values` (a tensor of this shape) that belong to a layer: all of them, or those of its part, copied to `part`.
std::span<const double> layer_elements(const Layer& layer, const Shape& shape, std::span<const double> values,
                                       std::span<double> part);
/// Which of its weight's parts a layer is; 0 where it has none.
std::size_t part_of(const Layer& layer, const ParameterSpec& weight);
/// The shape of a layer: its weight's, or that of its part.
Shape layer_shape(const Layer& layer, const Shape& weight);

}  // namespace safer
