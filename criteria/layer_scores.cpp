#include "criteria/layer_scores.h"

#include <algorithm>
#include <limits>

#include "criteria/relevance/probe.h"
#include "engine/parallel.h"

namespace safer {
Shape layer_shape(const Layer& layer, const Shape& weight) {
  Shape shape = weight;
  if (shape.rank() > 0) shape[layer.output_axis] = layer.outputs.size();
  return shape;
}

std::span<const double> layer_elements(const Layer& layer, const Shape& shape, std::span<const double> values,
                                       std::span<double> part) {
  if (layer_shape(layer, shape) == shape) return values;
  const auto outer = static_cast<std::size_t>(shape.size(0, layer.output_axis));
  const auto inner = static_cast<std::size_t>(shape.size(layer.output_axis + 1, shape.rank()));
  const auto all = static_cast<std::size_t>(shape[layer.output_axis]), first = static_cast<std::size_t>(layer.outputs.begin);
  const std::size_t count = static_cast<std::size_t>(layer.outputs.size()) * inner;
  for (std::size_t i = 0; i < outer; ++i)
    std::ranges::copy(values.subspan((i * all + first) * inner, count), part.begin() + static_cast<std::ptrdiff_t>(i * count));
  return part.first(outer * count);
}

std::size_t part_of(const Layer& layer, const ParameterSpec& weight) {
  const auto begins = [](const Part& part) { return part.outputs.begin; };
  return weight.parts.empty()
             ? 0
             : static_cast<std::size_t>(std::ranges::find(weight.parts, layer.outputs.begin, begins) - weight.parts.begin());
}

std::vector<Needs> LayerScores::distinct_needs(const Request& request) {
  std::vector<Needs> needs;
  for (const Criterion* criterion : request.criteria) {
    const Needs own = criterion->needs(request.preset);
    if (own.probe != Probe::none && std::ranges::find(needs, own) == needs.end()) needs.push_back(own);
  }
  return needs;
}

LayerScores::LayerScores(const Request& request, const Parameters& parameters, std::span<const int> weights,
                         std::span<const Layer> layers, const Sums& sums)
    : request_(request), parameters_(parameters), weights_(weights), layers_(layers), sums_(sums), needs_(distinct_needs(request)) {
  for (const Criterion* criterion : request_.criteria)
    need_.push_back(static_cast<std::size_t>(std::ranges::find(needs_, criterion->needs(request_.preset)) - needs_.begin()));
}

Grain LayerScores::grain(std::size_t criterion) const {
  return need_[criterion] < needs_.size() ? info(needs_[need_[criterion]].probe).grain : Grain::weight;
}

bool LayerScores::resamples(std::size_t criterion) const {
  return need_[criterion] < needs_.size() && sums_.layout(need_[criterion]).grouped;
}

Shape LayerScores::relevance_shape(std::size_t criterion, std::size_t weight) const {
  const ParameterSpec& spec = parameters_.spec(weights_[weight]);
  switch (grain(criterion)) {
    case Grain::layer: return Shape{std::max<std::int64_t>(1, std::ssize(spec.parts))};
    case Grain::neuron: return spec.shape.rank() > 0 ? Shape{spec.neurons()} : spec.shape;
    default: return spec.shape;
  }
}

std::size_t LayerScores::elements(std::size_t criterion, std::size_t weight) const {
  return static_cast<std::size_t>(relevance_shape(criterion, weight).size());
}

LayerScores::Scratch LayerScores::make_scratch() const {
  Scratch scratch;
  for (std::size_t need = 0; need < needs_.size(); ++need)
    scratch.sums.emplace_back(static_cast<std::size_t>(std::ranges::max(sums_.layout(need).elements)));
  std::int64_t largest = 0;
  for (const int weight : weights_) largest = std::max(largest, parameters_.spec(weight).shape.size());
  scratch.phi = scratch.part = scratch.reduce = std::vector<double>(static_cast<std::size_t>(largest));
  return scratch;
}

/// The stretch is short enough to stay in cache while the groups are added to it one after the other.
void LayerScores::combine(std::size_t weight, std::span<const int> draws, Scored which, Scratch& scratch) const {
  constexpr std::size_t stretch = 2048;
  for (std::size_t need = 0; need < needs_.size(); ++need) {
    if (!sums_.layout(need).grouped) {
      if (which == Scored::all) std::ranges::copy(sums_.of(need, 0, weight), scratch.sums[need].begin());
      continue;
    }
    const std::size_t count = sums_.of(need, 0, weight).size();
    for (std::size_t begin = 0; begin < count; begin += stretch) {
      const std::span<double> sum = std::span(scratch.sums[need]).subspan(begin, std::min(stretch, count - begin));
      std::ranges::fill(sum, 0.0);
      for (std::size_t group = 0; group < sums_.groups(); ++group) {
        if (draws[group] == 0) continue;  // also keeps a group's NaN out of resamples without it
        const double times = draws[group];
        const double* values = sums_.of(need, group, weight).data() + begin;
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += times * values[i];
      }
    }
  }
}

void LayerScores::finish(std::size_t criterion, std::size_t weight, std::span<const int> draws, std::span<double> phi,
                         const Scratch& scratch) const {
  const std::span<const float> w = parameters_[weights_[weight]].values<float>();
  const std::size_t need = need_[criterion];
  if (need == needs_.size()) return request_.criteria[criterion]->finish(request_.preset, phi, {}, w, 0);
  std::int64_t samples = 0;
  for (std::size_t group = 0; group < sums_.groups(); ++group) samples += draws[group] * sums_.samples()[group];
  const Sums::Layout& layout = sums_.layout(need);
  const std::span<const double> sum = std::span(scratch.sums[need]).first(sums_.of(need, 0, weight).size());
  request_.criteria[criterion]->finish(request_.preset, phi, sum, w,
                                       static_cast<double>((layout.grouped ? samples : 1) * layout.points));
}

/// What of a weight's phi belongs to a layer.
std::span<const double> LayerScores::of_layer(std::size_t criterion, std::size_t layer, std::span<const double> phi,
                                              Scratch& scratch) const {
  const Layer& of = layers_[layer];
  const ParameterSpec& spec = parameters_.spec(of.parameter);
  switch (grain(criterion)) {
    case Grain::layer: return phi.subspan(part_of(of, spec), 1);
    case Grain::neuron: return phi.subspan(static_cast<std::size_t>(of.outputs.begin), static_cast<std::size_t>(of.outputs.size()));
    default: return layer_elements(of, spec.shape, phi, scratch.part);
  }
}

void LayerScores::score_one(std::span<const int> draws, Scored which, std::span<double> out, Scratch& scratch) const {
  const std::size_t reductions = request_.reductions.size();
  for (std::size_t weight = 0; weight < weights_.size(); ++weight) {
    combine(weight, draws, which, scratch);
    for (std::size_t criterion = 0; criterion < request_.criteria.size(); ++criterion) {
      if (which == Scored::resampled && !resamples(criterion)) continue;
      const std::span<double> phi = std::span(scratch.phi).first(elements(criterion, weight));
      finish(criterion, weight, draws, phi, scratch);
      for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
        if (layers_[layer].parameter != weights_[weight]) continue;
        const std::span<const double> own = of_layer(criterion, layer, phi, scratch);
        for (std::size_t reduction = 0; reduction < reductions; ++reduction)
          out[(criterion * reductions + reduction) * layers_.size() + layer] =
              request_.reductions[reduction]->apply(own, scratch.reduce);
      }
    }
  }
}

void LayerScores::score(std::span<double> out) const {
  Scratch scratch = make_scratch();
  score_one(std::vector<int>(sums_.groups(), 1), Scored::all, out, scratch);
}

void LayerScores::resample(std::span<const int> draws, std::span<double> out) const {
  std::ranges::fill(out, std::numeric_limits<double>::quiet_NaN());
  const auto resamples = static_cast<std::int64_t>(out.size() / scores());
  const std::int64_t threads = std::min<std::int64_t>(resamples, available_threads());
  std::vector<Scratch> scratch(static_cast<std::size_t>(threads));
  std::ranges::generate(scratch, [this] { return make_scratch(); });
  std::int64_t work = 0;
  for (const int weight : weights_) work += resamples * parameters_.spec(weight).shape.size();
  parallel_for(threads, work, [&](std::int64_t thread) {
    for (std::int64_t r = resamples * thread / threads; r < resamples * (thread + 1) / threads; ++r) {
      const auto of = static_cast<std::size_t>(r);
      score_one(draws.subspan(of * sums_.groups(), sums_.groups()), Scored::resampled, out.subspan(of * scores(), scores()),
                scratch[static_cast<std::size_t>(thread)]);
    }
  });
}

void LayerScores::relevance(std::size_t criterion, std::size_t weight, std::span<double> out) const {
  Scratch scratch = make_scratch();
  const std::vector<int> once(sums_.groups(), 1);
  combine(weight, once, Scored::all, scratch);
  finish(criterion, weight, once, out, scratch);
}

}  // namespace safer
