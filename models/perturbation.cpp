#include "models/perturbation.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {
namespace {

constexpr std::size_t block_size = 512;                         // random numbers made at a time
constexpr std::uint64_t places = 0, signs = 1, whole_draw = 2;  // the "sample" of a field that says what a number is for

using Block = std::array<float, block_size>;

/// The layer's elements as runs of neighbours in its tensor: f(first, count). One run, unless it is a part of a tensor whose
/// output axis is not the first.
template <class F>
void each_run(const Shape& shape, const Layer& layer, const F& f) {
  const bool whole = shape.rank() == 0 || layer.outputs.size() == shape[layer.output_axis];
  if (whole) return f(std::int64_t{0}, shape.size());
  const std::int64_t inner = shape.size(layer.output_axis + 1, shape.rank()), step = shape[layer.output_axis] * inner;
  for (std::int64_t outer = 0; outer < shape.size(0, layer.output_axis); ++outer)
    f(outer * step + layer.outputs.begin * inner, layer.outputs.size() * inner);
}

/// The parameters after change(weights, first) for each block of the layer's weights, `first` being the place of the block's first
/// one in its tensor.
template <class Change>
Parameters changed(const Parameters& parameters, const Layer& layer, const Change& change) {
  Parameters result = parameters;
  const std::span<float> values = result.mutable_values<float>(layer.parameter);
  each_run(parameters[layer.parameter].shape(), layer, [&](std::int64_t first, std::int64_t count) {
    std::span<float> rest = values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    while (!rest.empty()) {
      const std::span<float> block = rest.first(std::min(block_size, rest.size()));
      change(block, static_cast<std::uint64_t>(block.data() - values.data()));
      rest = rest.subspan(block.size());
    }
  });
  return result;
}

void require(bool sensible, const Layer& layer, std::string_view what, double value, std::string_view expected) {
  if (!sensible) throw Error("noise on '{}': {} {}; expected {}", layer.name, what, value, expected);
}

void check_fraction(const Layer& layer, std::string_view what, double fraction) {
  require(fraction >= 0 && fraction <= 1, layer, what, fraction, "0 to 1");
}

}  // namespace

Parameters with_zeros(const Parameters& parameters, const Layer& layer, double fraction, std::uint64_t key) {
  check_fraction(layer, "fraction", fraction);
  const RandomField field(key);
  return changed(parameters, layer, [&, bound = static_cast<float>(fraction)](std::span<float> w, std::uint64_t first) {
    Block u;
    field.uniform(places, first, std::span(u).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = u[i] < bound ? 0.0f : w[i];
  });
}

Parameters with_gaussian(const Parameters& parameters, const Layer& layer, double sigma, std::uint64_t key) {
  require(sigma >= 0 && std::isfinite(sigma), layer, "deviation", sigma, "0 or a positive number");
  const RandomField field(key);
  return changed(parameters, layer, [&, scale = static_cast<float>(sigma)](std::span<float> w, std::uint64_t first) {
    Block z;
    field.normal(places, first, std::span(z).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += scale * z[i];
  });
}

Parameters with_impulses(const Parameters& parameters, const Layer& layer, double fraction, double amplitude, std::uint64_t key,
                         Sign sign) {
  check_fraction(layer, "fraction", fraction);
  require(std::isfinite(amplitude), layer, "amplitude", amplitude, "a number");
  const RandomField field(key);
  const float bound = static_cast<float>(fraction), height = static_cast<float>(amplitude);
  return changed(parameters, layer, [&](std::span<float> w, std::uint64_t first) {
    Block u, heights;
    heights.fill(height);
    if (sign == Sign::random) {
      field.uniform(signs, first, std::span(u).first(w.size()));
      for (std::size_t i = 0; i < w.size(); ++i) heights[i] = u[i] < 0.5f ? height : -height;
    }
    field.uniform(places, first, std::span(u).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) heights[i] = u[i] < bound ? heights[i] : 0.0f;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += heights[i];
  });
}

double largest_weight(const Parameters& parameters, const Layer& layer) {
  const std::span<const float> values = parameters[layer.parameter].values<float>();
  // Several at a time, each in a place of its own, which the compiler can turn into vectors.
  std::array<float, 16> largest{};
  each_run(parameters[layer.parameter].shape(), layer, [&](std::int64_t first, std::int64_t count) {
    std::span<const float> rest = values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    for (; rest.size() >= largest.size(); rest = rest.subspan(largest.size()))
      for (std::size_t i = 0; i < largest.size(); ++i) largest[i] = std::max(largest[i], std::abs(rest[i]));
    for (const float w : rest) largest[0] = std::max(largest[0], std::abs(w));
  });
  return double{std::ranges::max(largest)};
}

Parameters perturbed(const Parameters& parameters, const Layer& layer, Noise noise, double level, std::uint64_t key) {
  check_fraction(layer, "level", level);
  if (noise == Noise::zero) return with_zeros(parameters, layer, level, key);
  const double largest = largest_weight(parameters, layer);
  if (noise == Noise::gaussian) return with_gaussian(parameters, layer, level * largest, key);
  const double height = largest * (1 - double{RandomField(key).uniform(whole_draw, 0)});
  return with_impulses(parameters, layer, level, height, key);
}

}  // namespace safer
