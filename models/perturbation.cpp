#include "models/perturbation.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {
namespace {

constexpr std::size_t block_size = 512;                            // random numbers made at a time
constexpr std::uint64_t of_places = 0, signs = 1, whole_draw = 2;  // the "sample" of a field that says what a number is for

using Block = std::array<float, block_size>;

/// change(elements, first) for each block of the view's elements, `first` being the place of the block's first one in its array.
template <class Change>
void each_block(std::span<float> values, const NeuronView& view, const Change& change) {
  each_run(view, [&](std::int64_t first, std::int64_t count) {
    std::span<float> rest = values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    while (!rest.empty()) {
      const std::span<float> block = rest.first(std::min(block_size, rest.size()));
      change(block, static_cast<std::uint64_t>(block.data() - values.data()));
      rest = rest.subspan(block.size());
    }
  });
}

void add_zeros(std::span<float> values, const NeuronView& view, double fraction, const RandomField& field) {
  const float bound = static_cast<float>(fraction);
  each_block(values, view, [&](std::span<float> w, std::uint64_t first) {
    Block u;
    field.uniform(of_places, first, std::span(u).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = u[i] < bound ? 0.0f : w[i];
  });
}

void zero_neurons(std::span<float> values, const NeuronView& view, double fraction, const RandomField& field) {
  const float bound = static_cast<float>(fraction);
  Block u;
  for (std::int64_t begin = view.range.begin; begin < view.range.end; begin += std::ssize(u)) {
    const std::int64_t count = std::min(std::ssize(u), view.range.end - begin);
    field.uniform(of_places, static_cast<std::uint64_t>(begin), std::span(u).first(static_cast<std::size_t>(count)));
    for (std::int64_t outer = 0; outer < view.outer; ++outer)
      for (std::int64_t i = 0; i < count; ++i)
        if (u[static_cast<std::size_t>(i)] < bound)
          std::fill_n(values.begin() + (outer * view.neurons + begin + i) * view.inner, view.inner, 0.0f);
  }
}

void add_gaussian(std::span<float> values, const NeuronView& view, double sigma, const RandomField& field) {
  const float scale = static_cast<float>(sigma);
  each_block(values, view, [&](std::span<float> w, std::uint64_t first) {
    Block z;
    field.normal(of_places, first, std::span(z).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += scale * z[i];
  });
}

void add_impulses(std::span<float> values, const NeuronView& view, double fraction, double amplitude, Sign sign,
                  const RandomField& field) {
  const float bound = static_cast<float>(fraction), height = static_cast<float>(amplitude);
  Block heights;
  heights.fill(height);
  each_block(values, view, [&](std::span<float> w, std::uint64_t first) {
    Block u, added;
    if (sign == Sign::random) {
      field.uniform(signs, first, std::span(u).first(w.size()));
      for (std::size_t i = 0; i < w.size(); ++i) heights[i] = u[i] < 0.5f ? height : -height;
    }
    field.uniform(of_places, first, std::span(u).first(w.size()));
    choose(std::span(u).first(w.size()), bound, std::span(heights).first(w.size()), std::span(added).first(w.size()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += added[i];
  });
}

void round_to_multiples(std::span<float> values, const NeuronView& view, double step) {
  // From 2^23 on all floats are whole, so that adding it rounds what is smaller: unlike std::nearbyint, on every processor the
  // compiler can turn that into vectors. What has more steps is no farther from a multiple than its own rounding. NaN stays, and so
  // does everything where the step is 0: nothing is below the limit.
  constexpr float whole = 0x1p23f;
  const float width = static_cast<float>(step), limit = whole * width;
  each_block(values, view, [&](std::span<float> w, std::uint64_t) {
    Block rounded;
    for (std::size_t i = 0; i < w.size(); ++i) rounded[i] = std::copysign(((std::abs(w[i] / width) + whole) - whole) * width, w[i]);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::abs(w[i]) < limit ? rounded[i] : w[i];
  });
}

/// The parameters after change(values, view) for the layer's tensor.
template <class Change>
Parameters changed(const Parameters& parameters, const Layer& layer, const Change& change) {
  Parameters result = parameters;
  change(result.mutable_values<float>(layer.parameter), weight_view(parameters[layer.parameter].shape(), layer));
  return result;
}

void require(bool sensible, const Layer& layer, std::string_view what, double value, std::string_view expected) {
  if (!sensible) throw Error("noise on '{}': {} {}; expected {}", layer.name, what, value, expected);
}

void check_fraction(const Layer& layer, std::string_view what, double fraction) {
  require(fraction >= 0 && fraction <= 1, layer, what, fraction, "0 to 1");
}

}  // namespace

NeuronView weight_view(const Shape& shape, const Layer& layer) {
  if (shape.rank() == 0) return {.range = {0, 1}};
  return {shape.size(0, layer.output_axis), shape[layer.output_axis], shape.size(layer.output_axis + 1, shape.rank()),
          layer.outputs};
}

void perturb(std::span<float> values, const NeuronView& view, const NoiseDraw& draw) {
  const RandomField field(draw.key);
  switch (draw.noise) {
    case Noise::zero:
      if (draw.whole_neurons)
        zero_neurons(values, view, draw.level, field);
      else
        add_zeros(values, view, draw.level, field);
      break;
    case Noise::gaussian: add_gaussian(values, view, draw.level * draw.unit, field); break;
    case Noise::impulse:
      add_impulses(values, view, draw.level, draw.unit * (1 - double{field.uniform(whole_draw, 0)}), Sign::positive, field);
      break;
    case Noise::rounding: round_to_multiples(values, view, draw.level * draw.unit);
  }
}

float largest_magnitude(std::span<const float> values, const NeuronView& view) {
  // Several at a time, each in a place of its own, which the compiler can turn into vectors.
  std::array<float, 16> largest{};
  each_run(view, [&](std::int64_t first, std::int64_t count) {
    std::span<const float> rest = values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    for (; rest.size() >= largest.size(); rest = rest.subspan(largest.size()))
      for (std::size_t i = 0; i < largest.size(); ++i) largest[i] = std::max(largest[i], std::abs(rest[i]));
    for (const float w : rest) largest[0] = std::max(largest[0], std::abs(w));
  });
  return std::ranges::max(largest);
}

Parameters with_zeros(const Parameters& parameters, const Layer& layer, double fraction, std::uint64_t key) {
  check_fraction(layer, "fraction", fraction);
  return changed(parameters, layer,
                 [&](std::span<float> values, const NeuronView& view) { add_zeros(values, view, fraction, RandomField(key)); });
}

Parameters with_gaussian(const Parameters& parameters, const Layer& layer, double sigma, std::uint64_t key) {
  require(sigma >= 0 && std::isfinite(sigma), layer, "deviation", sigma, "0 or a positive number");
  return changed(parameters, layer,
                 [&](std::span<float> values, const NeuronView& view) { add_gaussian(values, view, sigma, RandomField(key)); });
}

Parameters with_impulses(const Parameters& parameters, const Layer& layer, double fraction, double amplitude, std::uint64_t key,
                         Sign sign) {
  check_fraction(layer, "fraction", fraction);
  require(std::isfinite(amplitude), layer, "amplitude", amplitude, "a number");
  return changed(parameters, layer, [&](std::span<float> values, const NeuronView& view) {
    add_impulses(values, view, fraction, amplitude, sign, RandomField(key));
  });
}

double largest_weight(const Parameters& parameters, const Layer& layer) {
  const Tensor& weight = parameters[layer.parameter];
  return double{largest_magnitude(weight.values<float>(), weight_view(weight.shape(), layer))};
}

Parameters perturbed(const Parameters& parameters, const Layer& layer, Noise noise, double level, std::uint64_t key) {
  check_fraction(layer, "level", level);
  const double unit = noise == Noise::zero ? 0 : largest_weight(parameters, layer);
  return changed(parameters, layer, [&](std::span<float> values, const NeuronView& view) {
    perturb(values, view, {.noise = noise, .level = level, .unit = unit, .key = key});
  });
}

}  // namespace safer
