#include "criteria/relevance/hsic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/kernels/dispatch.h"
#include "engine/random.h"

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::masks}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / samples;
}

using Sorted = std::vector<std::vector<float>>;

/// The first place i in ascending y, from `from` on, with y[j] - y[i] <= t.
std::size_t first_within(std::span<const float> y, std::size_t j, float t, std::size_t from) {
  while (y[j] - y[from] > t) ++from;
  return from;
}

/// How many pairs are at most t apart.
std::int64_t count_within(const Sorted& sets, float t) {
  std::size_t pairs = 0;
  for (const std::vector<float>& y : sets)
    for (std::size_t i = 0, j = 0; j < y.size(); ++j) pairs += j - (i = first_within(y, j, t, i));
  return static_cast<std::int64_t>(pairs);
}

/// The distances in (low, high].
std::vector<float> distances_within(const Sorted& sets, float low, float high) {
  std::vector<float> distances;
  for (const std::vector<float>& y : sets)
    for (std::size_t far = 0, near = 0, j = 0; j < y.size(); ++j) {
      far = first_within(y, j, high, far), near = first_within(y, j, low, near);
      for (std::size_t i = far; i < near; ++i) distances.push_back(y[j] - y[i]);
    }
  return distances;
}

/// The distance that is the wanted-th smallest, counted from 1, of those above 0, of which there are so many up to the longest.
float select_distance(const Sorted& sets, std::int64_t wanted, std::int64_t ties, std::int64_t pairs, float longest) {
  constexpr std::int64_t few = 2048;  // distances are listed and not only counted
  std::uint32_t low = 0, high = std::bit_cast<std::uint32_t>(longest);
  std::int64_t below = ties, within = pairs;
  bool too_low = true;
  for (int guess = 1; within - below > few && high - low > 1; ++guess) {
    // Guesses take the distances between the bounds for evenly spread, and aim a little past the wanted one, for the other bound to
    // come near as well. Halving the floats, which are ordered like their bits, bounds their number whatever the spread.
    constexpr int halving = 4;
    std::uint32_t middle = low + (high - low) / 2;
    if (guess % halving != 0) {
      const auto left = static_cast<double>(within - below), aim = static_cast<double>(ties + wanted - below) / left;
      const double share = std::clamp(aim + (too_low ? 1 : -1) / 16.0, 0.0, 1.0);
      const double from = double{std::bit_cast<float>(low)}, to = double{std::bit_cast<float>(high)};
      middle = std::clamp(std::bit_cast<std::uint32_t>(static_cast<float>(from + share * (to - from))), low + 1, high - 1);
    }
    const std::int64_t count = count_within(sets, std::bit_cast<float>(middle));
    too_low = count - ties < wanted;
    if (too_low)
      low = middle, below = count;
    else
      high = middle, within = count;
  }
  std::vector<float> left = distances_within(sets, std::bit_cast<float>(low), std::bit_cast<float>(high));
  const auto place = left.begin() + (wanted - (below - ties) - 1);
  std::ranges::nth_element(left, place);
  return *place;
}

}  // namespace

constinit const Criterion hsic_criterion = {"hsic",
                                            {"E[HSIC(mask, F)], one an output neuron", "E[HSIC(mask, F)], one an output neuron"},
                                            "SAfER eq. 11; Novello et al. 2022",
                                            "a layer: masks F from that layer on; joint: masks F",
                                            needs,
                                            finish};

Masks balanced_masks(std::size_t count, std::size_t neurons, double share, std::uint64_t key) {
  Masks masks{count, neurons, std::vector<std::uint8_t>(count * neurons)};
  const auto kept = static_cast<std::size_t>(std::lround(share * static_cast<double>(count)));
  std::vector<std::uint8_t> column(count);
  for (std::size_t neuron = 0; neuron < neurons; ++neuron) {
    for (std::size_t mask = 0; mask < count; ++mask) column[mask] = mask < kept;
    Random(mix(key, neuron)).shuffle<std::uint8_t>(column);
    for (std::size_t mask = 0; mask < count; ++mask) masks.keep[mask * neurons + neuron] = column[mask];
  }
  return masks;
}

double median_distance(std::span<const std::span<const float>> sets) {
  Sorted sorted;
  std::int64_t pairs = 0;
  float longest = 0;
  for (const std::span<const float> set : sets) {
    if (!std::ranges::all_of(set, [](float y) { return std::isfinite(y); })) return std::numeric_limits<double>::quiet_NaN();
    sorted.emplace_back(set.begin(), set.end());
    std::ranges::sort(sorted.back());
    pairs += static_cast<std::int64_t>(set.size() * (set.size() - 1) / 2);
    longest = std::max(longest, sorted.back().back() - sorted.back().front());
  }
  const std::int64_t ties = count_within(sorted, 0);
  if (ties == pairs) return 1;
  return double{select_distance(sorted, (pairs - ties + 1) / 2, ties, pairs, longest)};
}

void OutputKernel::add(std::span<const float> y, std::span<const double> widths) {
  constexpr std::size_t rows = 16;  // at a time, so that a stretch of the sum stays in cache over all samples
  const auto& table = kernels::table<float>();
  std::vector<float> exponent(rows * masks_);
  for (std::size_t first = 1; first < masks_; first += rows) {
    const std::size_t last = std::min(first + rows, masks_);
    const std::span<double> sum = std::span(sum_).subspan(first * (first - 1) / 2, (last * (last - 1) - first * (first - 1)) / 2);
    const auto count = static_cast<std::int64_t>(sum.size());
    for (std::size_t sample = 0; sample < widths.size(); ++sample) {
      const float* own = y.data() + sample * masks_;
      const auto scale = std::min(static_cast<float>(1 / (std::sqrt(2.0) * widths[sample])), std::numeric_limits<float>::max());
      float* to = exponent.data();
      for (std::size_t i = first; i < last; ++i)
        for (std::size_t j = 0; j < i; ++j, ++to) {
          const float distance = (own[i] - own[j]) * scale;
          *to = -distance * distance;
        }
      table.unary[static_cast<int>(kernels::Unary::exp)](exponent.data(), exponent.data(), count, 0);
      table.fold[static_cast<int>(kernels::Fold::sum)](sum.data(), exponent.data(), count);
    }
    for (double& value : sum) value -= static_cast<double>(widths.size());
  }
}

void OutputKernel::add_dependence(std::span<double> hsic, const Masks& masks, std::size_t first) const {
  const std::size_t neurons = hsic.size();
  std::vector<double> centred(masks_ * neurons), row(neurons), total(neurons);
  for (std::size_t mask = 0; mask < masks_; ++mask)
    for (std::size_t d = 0; d < neurons; ++d) total[d] += masks.keeps(mask, first + d);
  for (std::size_t mask = 0; mask < masks_; ++mask)
    for (std::size_t d = 0; d < neurons; ++d)
      centred[mask * neurons + d] = masks.keeps(mask, first + d) - total[d] / static_cast<double>(masks_);

  // The diagonal of L - 1 is 0, the other half is the transpose of this one, and constants vanish because c sums to 0.
  const double factor = 4 / static_cast<double>(masks_);
  const double* entry = sum_.data();
  for (std::size_t i = 1; i < masks_; ++i) {
    std::ranges::fill(row, 0.0);
    for (std::size_t j = 0; j < i; ++j, ++entry)
      for (std::size_t d = 0; d < neurons; ++d) row[d] += *entry * centred[j * neurons + d];
    for (std::size_t d = 0; d < neurons; ++d) hsic[d] += factor * centred[i * neurons + d] * row[d];
  }
}

}  // namespace safer
