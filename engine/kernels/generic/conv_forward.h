#pragma once

#include "engine/kernels/generic/conv_gather.h"

namespace safer::kernels {
namespace {

inline std::int64_t packed_group(const Conv& conv) {
  return pieces(group_outputs(conv), panel_columns) * panel_columns * row_weights(conv);
}

/// Each group's weights as panels [k = (input channel, tap)][panel_columns of output channels].
inline void pack_groups(const Conv& conv, T* to, const T* w) {
  const std::int64_t k = row_weights(conv), outputs = group_outputs(conv), panels = pieces(outputs, panel_columns);
  parallel_for(conv.groups * panels, conv.out_channels * k, [=](std::int64_t task) {
    const std::int64_t group = task / panels, first = task % panels * panel_columns;
    const std::int64_t columns = std::min(panel_columns, outputs - first);
    T* const panel = to + task * panel_columns * k;
    if (columns < panel_columns) std::fill_n(panel, panel_columns * k, 0.f);
    pack_panels(panel, {w + (group * outputs + first) * k, 1, k}, k, columns);
  });
}

/// Where window (0, 0) finds what each k of a group is multiplied with.
inline const std::int64_t* window_places(Scratch& scratch, const Conv& conv, const Planes& x) {
  std::int64_t* const places = scratch.integers(row_weights(conv));
  std::int64_t* next = places;
  for (std::int64_t c = 0; c < group_inputs(conv); ++c)
    for (std::int64_t s = 0; s < conv.rows.taps; ++s)
      for (std::int64_t t = 0; t < conv.columns.taps; ++t)
        *next++ = c * x.plane + s * conv.rows.dilation * x.row + t * conv.columns.dilation;
  return places;
}

inline void convolve(const Conv& sizes, T* y, const T* x, const T* w, const T* packed_w, const Epilogue<T>& epilogue) {
  thread_local Scratch padding, packing, numbers;
  const Conv conv = flattened(sizes);
  if (conv.samples == 0 || conv.out_channels == 0) return;
  const std::int64_t outputs = group_outputs(conv), pixels = out_pixels(conv);
  if (!packed_w) {
    float* const to = packing.floats(conv.groups * packed_group(conv));
    pack_groups(conv, to, w);
    packed_w = to;
  }
  const PaddedAxis rows = padded_axis(conv.rows), columns = padded_axis(conv.columns);
  const std::int64_t planes = conv.samples * conv.in_channels;
  const Planes image =
      padded(x, conv.samples, conv.in_channels, rows, columns, padding.floats(planes * padded_plane(rows, columns)));
  Gather g{.samples = conv.samples,
           .rows = conv.rows.out,
           .columns = conv.columns.out,
           .channels = outputs,
           .k = row_weights(conv),
           .x = image.data,
           .x_sample = image.sample,
           .x_row = conv.rows.stride * image.row,
           .x_column = conv.columns.stride,
           .places = window_places(numbers, conv, image),
           .panels = packed_w,
           .y = y,
           .y_sample = conv.out_channels * pixels,
           .y_plane = pixels,
           .y_row = conv.columns.out,
           .y_column = 1,
           .epilogue = epilogue,
           .separate = sees_pixels(sizes)};
  for (std::int64_t group = 0; group < conv.groups; ++group) {
    run(g);
    g.x += group_inputs(conv) * image.plane;
    g.panels += packed_group(conv);
    g.y += outputs * pixels;
    if (g.epilogue.bias) g.epilogue.bias += outputs;
    if (g.epilogue.residual) g.epilogue.residual += outputs * pixels;
  }
}

}  // namespace
}  // namespace safer::kernels
