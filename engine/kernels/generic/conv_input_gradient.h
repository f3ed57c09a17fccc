#pragma once

#include "engine/kernels/generic/conv_gather.h"

// dx as convolutions of dy. With a stride, the inputs whose places have the same remainder (a phase) see the same taps; each phase
// is a convolution without stride by those taps, so that no zeros are put between the numbers of dy.
namespace safer::kernels {
namespace {

constexpr std::int64_t floor_of(std::int64_t a, std::int64_t b) { return (a >= 0 ? a : a - b + 1) / b; }

/// Inputs first, first + stride, ... along one axis: input number u of them is seen through tap t = tap + i * tap_step by output
/// u + shift - i * shift_step, for i < taps.
struct PhaseAxis {
  std::int64_t first, inputs, tap, tap_step, taps, shift, shift_step;
};

inline std::int64_t gcd(std::int64_t a, std::int64_t b) { return b == 0 ? a : gcd(b, a % b); }

inline PhaseAxis phase_axis(const WindowAxis& axis, std::int64_t first) {
  PhaseAxis phase{};
  phase.first = first;
  phase.inputs = pieces(axis.in - first, axis.stride);
  phase.tap_step = axis.stride / gcd(axis.stride, axis.dilation);
  phase.shift_step = phase.tap_step * axis.dilation / axis.stride;
  const auto distance = [&](std::int64_t tap) { return first + axis.before - tap * axis.dilation; };
  while (phase.tap < std::min(axis.taps, phase.tap_step) && distance(phase.tap) % axis.stride != 0) ++phase.tap;
  if (phase.tap < std::min(axis.taps, phase.tap_step)) phase.taps = pieces(axis.taps - phase.tap, phase.tap_step);
  phase.shift = floor_of(distance(phase.tap), axis.stride);
  return phase;
}

/// The zeros that dy needs around it, so that every phase can read every output that its taps name.
inline PaddedAxis outputs_axis(const WindowAxis& axis) {
  std::int64_t lowest = 0, end = axis.out;
  for (std::int64_t first = 0; first < std::min(axis.stride, axis.in); ++first) {
    const PhaseAxis phase = phase_axis(axis, first);
    if (phase.taps == 0) continue;
    lowest = std::min(lowest, phase.shift - (phase.taps - 1) * phase.shift_step);
    end = std::max(end, phase.shift + phase.inputs);
  }
  return {axis.out, -lowest, end - lowest};
}

/// The weights of one phase and group as panels [k = (tap, output channel)][panel_columns of input channels].
inline const float* phase_panels(Scratch& scratch, const Conv& conv, const T* w, const PhaseAxis& rows, const PhaseAxis& columns) {
  const std::int64_t depth = group_inputs(conv), outputs = group_outputs(conv), panels = pieces(depth, panel_columns);
  const std::int64_t k = outputs * rows.taps * columns.taps, row = row_weights(conv);
  float* const to = scratch.floats(panels * panel_columns * k);
  parallel_for(panels * rows.taps * columns.taps, 8 * panels * panel_columns * k, [=](std::int64_t task) {
    const std::int64_t q = task / (rows.taps * columns.taps), tap = task % (rows.taps * columns.taps);
    const std::int64_t s = rows.tap + tap / columns.taps * rows.tap_step, t = columns.tap + tap % columns.taps * columns.tap_step;
    const std::int64_t count = std::min(panel_columns, depth - q * panel_columns);
    float* panel = to + (q * k + tap * outputs) * panel_columns;
    const T* from = w + q * panel_columns * taps(conv) + s * conv.columns.taps + t;
    for (std::int64_t o = 0; o < outputs; ++o, panel += panel_columns, from += row) {
      for (std::int64_t c = 0; c < count; ++c) panel[c] = from[c * taps(conv)];
      std::fill(panel + count, panel + panel_columns, 0.f);
    }
  });
  return to;
}

/// Where input 0 of a phase finds the outputs that each k is multiplied with; `dy` starts with its padding.
inline const std::int64_t* phase_places(Scratch& scratch, const Planes& dy, std::int64_t outputs, const PhaseAxis& rows,
                                        const PhaseAxis& columns, std::int64_t top, std::int64_t left) {
  std::int64_t* const places = scratch.integers(outputs * rows.taps * columns.taps);
  std::int64_t* next = places;
  for (std::int64_t s = 0; s < rows.taps; ++s)
    for (std::int64_t t = 0; t < columns.taps; ++t)
      for (std::int64_t o = 0; o < outputs; ++o)
        *next++ = o * dy.plane + (top + rows.shift - s * rows.shift_step) * dy.row + left + columns.shift - t * columns.shift_step;
  return places;
}

inline void input_gradient(const Conv& sizes, T* dx, const T* dy, const T* w, bool accumulate) {
  thread_local Scratch padding, packing, numbers;
  const Conv conv = flattened(sizes);
  const std::int64_t outputs = group_outputs(conv), depth = group_inputs(conv), inputs = in_pixels(conv);
  const PaddedAxis down = outputs_axis(conv.rows), across = outputs_axis(conv.columns);
  const std::int64_t planes = conv.samples * conv.out_channels;
  const Planes image =
      padded(dy, conv.samples, conv.out_channels, down, across, padding.floats(planes * padded_plane(down, across)));
  for (std::int64_t i = 0; i < std::min(conv.rows.stride, conv.rows.in); ++i)
    for (std::int64_t j = 0; j < std::min(conv.columns.stride, conv.columns.in); ++j) {
      const PhaseAxis rows = phase_axis(conv.rows, i), columns = phase_axis(conv.columns, j);
      Gather g{.samples = conv.samples,
               .rows = rows.inputs,
               .columns = columns.inputs,
               .channels = depth,
               .k = outputs * rows.taps * columns.taps,
               .x = image.data,
               .x_sample = image.sample,
               .x_row = image.row,
               .x_column = 1,
               .places = phase_places(numbers, image, outputs, rows, columns, down.before, across.before),
               .panels = nullptr,
               .y = dx + i * conv.columns.in + j,
               .y_sample = conv.in_channels * inputs,
               .y_plane = inputs,
               .y_row = conv.rows.stride * conv.columns.in,
               .y_column = conv.columns.stride,
               .epilogue = {},
               .separate = sees_pixels(sizes)};
      if (accumulate) g.epilogue.residual = g.y;
      for (std::int64_t group = 0; group < conv.groups; ++group) {
        g.panels = phase_panels(packing, conv, w + group * outputs * row_weights(conv), rows, columns);
        run(g);
        g.x += outputs * image.plane;
        g.y += depth * inputs;
        if (accumulate) g.epilogue.residual = g.y;
      }
    }
}

}  // namespace
}  // namespace safer::kernels
