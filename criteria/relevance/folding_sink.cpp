#include "criteria/relevance/folding_sink.h"

#include <algorithm>

#include "criteria/relevance/target_runs.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// Rows of a tile: 16 KiB of gradient and 32 KiB of sums are half of a small second-level cache, but a convolution computes whole
/// vectors of rows side by side. Never a function of the number of threads, because the bits of a row may depend on which rows are
/// asked for together.
std::int64_t tile_rows(std::int64_t row_size) {
  constexpr std::int64_t elements = 4096, rows_side_by_side = 32;
  return std::max(rows_side_by_side, elements / std::max<std::int64_t>(1, row_size));
}

}  // namespace

FoldingSink::FoldingSink(Sums& sums, std::span<const Needs> needs, Probe probe, std::span<const int> weights,
                         const Parameters& parameters, std::span<const std::int64_t> bounds)
    : sums_(sums),
      parameters_(parameters),
      bounds_(bounds),
      place_(static_cast<std::size_t>(parameters.size()), -1),
      only_(TargetRuns::everything) {
  std::int64_t largest = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    place_[static_cast<std::size_t>(weights[i])] = static_cast<int>(i);
    const Shape& shape = parameters.spec(weights[i]).shape;
    const std::int64_t row_size = shape.rank() == 0 ? 1 : shape.size(1, shape.rank());
    largest = std::max(largest, tile_rows(row_size) * row_size);
  }
  tiles_.assign(static_cast<std::size_t>(available_threads()), std::vector<float>(static_cast<std::size_t>(largest)));
  for (std::size_t need = 0; need < needs.size(); ++need) {
    if (needs[need].probe != probe || !needs[need].fold) continue;
    slots_.push_back({need, needs[need].fold});
    per_sample_ = per_sample_ || needs[need].per_sample;
  }
}

bool FoldingSink::wants(int parameter) const {
  const int place = place_[static_cast<std::size_t>(parameter)];
  return place >= 0 && (only_ == TargetRuns::everything || only_ == place);
}

void FoldingSink::fold(const ParameterGradient<float>& gradient) {
  const std::int64_t step = tile_rows(gradient.row_size()), tiles = (gradient.rows() + step - 1) / step;
  const std::int64_t threads = std::min<std::int64_t>(tiles, static_cast<std::int64_t>(tiles_.size()));
  const std::int64_t work = gradient.shape().size() * gradient.samples();
  parallel_for(threads, work, [&](std::int64_t thread) {
    for (std::int64_t tile = tiles * thread / threads; tile < tiles * (thread + 1) / threads; ++tile)
      fold_rows(gradient, {tile * step, std::min(gradient.rows(), (tile + 1) * step)},
                tiles_[static_cast<std::size_t>(thread)].data());
  });
}

void FoldingSink::fold_rows(const ParameterGradient<float>& gradient, Range rows, float* tile) {
  for (std::size_t group = 0; group + 1 < bounds_.size(); ++group) {
    const Range here = {std::max(bounds_[group], samples().begin), std::min(bounds_[group + 1], samples().end)};
    if (here.begin < here.end) fold_group(gradient, group, {here.begin - samples().begin, here.end - samples().begin}, rows, tile);
  }
}

void FoldingSink::fold_group(const ParameterGradient<float>& gradient, std::size_t group, Range samples, Range rows, float* tile) {
  const std::int64_t first = rows.begin * gradient.row_size(), count = rows.size() * gradient.row_size();
  const float* w = parameters_[gradient.parameter()].values<float>().data() + first;
  const auto weight = static_cast<std::size_t>(place_[static_cast<std::size_t>(gradient.parameter())]);
  const std::int64_t step = per_sample_ ? 1 : samples.size();
  for (std::int64_t sample = samples.begin; sample < samples.end; sample += step) {
    gradient.tile({sample, sample + step}, rows, tile);
    for (const Slot& slot : slots_) slot.fold(sums_.of(slot.need, group, weight).data() + first, w, tile, count);
  }
}

}  // namespace safer
