#pragma once

#include "engine/kernels/generic/conv_padded.h"
#include "engine/kernels/generic/gather_tile.h"

// The gradient of a convolution's weights as small products, without an im2col: for one tap, a tile of dw transposed
// [input channels, output channels] is the sum over output pixels p of x[channels, p moved by the tap] dy[p, output channels]. x is
// read one number at a time, so it may lie as it does; only dy is copied, its output channels side by side.
namespace safer::kernels {
namespace {

/// What makes up the rows of a tile: input channels at one tap, or, where there are few channels, the taps of one row of the
/// kernel.
struct TileRows {
  bool channels;
  std::int64_t count, x_row, to_row;
  TileRows(const Conv& conv, const Planes& x, std::int64_t block)
      : channels(block >= conv.columns.taps),
        count(channels ? block : conv.columns.taps),
        x_row(channels ? x.plane : conv.columns.dilation),
        to_row(channels ? taps(conv) * panel_columns : panel_columns) {}
};

/// One group's gradient: `outputs` of its output channels, from samples whose dy was copied as panels [k pixels][panel_columns].
struct GroupGradient {
  const Conv& conv;
  Planes x;  // of the group's first input channel
  const float* panels;
  float* dw;  // the row of the first of the output channels
  std::int64_t outputs;
  bool accumulate;
  std::int64_t k() const { return conv.samples * out_pixels(conv); }
};

/// Where output pixels first .. first + count - 1, over all samples in order, find tap (0, 0) of their window.
inline void find_places(std::int64_t* places, const Conv& conv, const Planes& x, std::int64_t first, std::int64_t count) {
  std::int64_t n = first / out_pixels(conv), i = first % out_pixels(conv) / conv.columns.out, j = first % conv.columns.out;
  for (std::int64_t p = 0; p < count; ++p) {
    places[p] = n * x.sample + i * conv.rows.stride * x.row + j * conv.columns.stride;
    if (++j < conv.columns.out) continue;
    j = 0;
    if (++i < conv.rows.out) continue;
    i = 0, ++n;
  }
}

/// sums[channel of the block, tap, panel_columns] += what one block of pixels contributes.
inline void add_pixels(const GroupGradient& g, Channels block, const float* dy, std::int64_t vectors, const std::int64_t* places,
                       std::int64_t k, bool add, float* sums) {
  const TileRows rows(g.conv, g.x, (block.end - block.begin));
  const std::int64_t down = g.conv.rows.taps, across = g.conv.columns.taps;
  const Cut cut(rows.count);
  const auto run_tiles = [&](const float* x, float* to) {
    for (std::int64_t tile = 0; tile < cut.tiles; ++tile) {
      const std::int64_t count = cut.count(tile);
      gather_tiles.by_size[vectors - 1][count - 1]({.a = x,
                                                    .a_row = rows.x_row,
                                                    .places = places,
                                                    .b = dy,
                                                    .to = to,
                                                    .to_row = rows.to_row,
                                                    .k = k,
                                                    .base = add ? to : nullptr,
                                                    .base_row = rows.to_row});
      x += count * rows.x_row;
      to += count * rows.to_row;
    }
  };
  for (std::int64_t s = 0; s < down; ++s) {
    const float* const row = g.x.data + block.begin * g.x.plane + s * g.conv.rows.dilation * g.x.row;
    if (rows.channels)
      for (std::int64_t t = 0; t < across; ++t)
        run_tiles(row + t * g.conv.columns.dilation, sums + (s * across + t) * panel_columns);
    else
      for (std::int64_t c = 0; c < (block.end - block.begin); ++c)
        run_tiles(row + c * g.x.plane, sums + (c * down + s) * across * panel_columns);
  }
}

/// The gradient of one panel of output channels by a block of input channels.
inline void gradient_of_block(const GroupGradient& g, std::int64_t panel, Channels block) {
  thread_local Scratch scratch;
  const std::int64_t sums = (block.end - block.begin) * taps(g.conv),
                     columns = std::min(panel_columns, g.outputs - panel * panel_columns);
  float* const sum = scratch.floats(sums * panel_columns);
  std::int64_t places[gather_block];
  for (std::int64_t first = 0; first < g.k(); first += gather_block) {
    const std::int64_t count = std::min(gather_block, g.k() - first);
    find_places(places, g.conv, g.x, first, count);
    add_pixels(g, block, g.panels + (panel * g.k() + first) * panel_columns, pieces(columns, lanes), places, count, first > 0, sum);
  }
  const std::int64_t row = row_weights(g.conv);
  float* const dw = g.dw + panel * panel_columns * row + block.begin * taps(g.conv);
  put_transposed(dw, row, sum, sums, columns, g.accumulate ? dw : nullptr);
}

/// Parts of the input channels that a task takes: so many that their sums stay in the caches, and that there are tasks for a few
/// threads.
inline std::int64_t channel_blocks(const Conv& conv, std::int64_t panels) {
  constexpr std::int64_t most_sums = 1 << 14, few_channels = 8, enough_tasks = 4;
  const std::int64_t depth = group_inputs(conv);
  const std::int64_t least = pieces(depth, std::max<std::int64_t>(1, most_sums / (taps(conv) * panel_columns)));
  return std::clamp(pieces(enough_tasks, panels), least, std::max(least, depth / few_channels));
}

inline void gradient_of_group(const GroupGradient& g) {
  const std::int64_t panels = pieces(g.outputs, panel_columns), blocks = channel_blocks(g.conv, panels),
                     depth = group_inputs(g.conv);
  parallel_for(panels * blocks, g.k() * g.outputs * row_weights(g.conv) / 16, [&](std::int64_t task) {
    const std::int64_t b = task % blocks;
    gradient_of_block(g, task / blocks, {depth * b / blocks, depth * (b + 1) / blocks});
  });
}

/// dy's channels first .. first + outputs - 1 of all samples as panels [samples * pixels][panel_columns].
inline const float* output_panels(Scratch& scratch, const Conv& conv, const T* dy, std::int64_t first, std::int64_t outputs) {
  const std::int64_t pixels = out_pixels(conv), k = conv.samples * pixels, panels = pieces(outputs, panel_columns);
  float* const to = scratch.floats(panels * panel_columns * k);
  parallel_for(panels * conv.samples, panels * k * panel_columns, [=](std::int64_t task) {
    const std::int64_t q = task / conv.samples, n = task % conv.samples,
                       columns = std::min(panel_columns, outputs - q * panel_columns);
    float* const panel = to + (q * k + n * pixels) * panel_columns;
    if (columns < panel_columns) std::fill_n(panel, pixels * panel_columns, 0.f);
    pack_panels(panel, {dy + (n * conv.out_channels + first + q * panel_columns) * pixels, 1, pixels}, pixels, columns);
  });
  return to;
}

inline void weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  thread_local Scratch padding, panels;
  constexpr std::int64_t most_floats = 1 << 22;  // copied at a time
  const std::int64_t row = row_weights(conv), depth = group_inputs(conv), each = group_outputs(conv);
  if (conv_work(conv) == 0 && !accumulate) std::fill_n(dw, (channels.end - channels.begin) * row, 0.f);
  if (conv_work(conv) == 0) return;
  const PaddedAxis down = padded_axis(conv.rows), across = padded_axis(conv.columns);
  const std::int64_t copied = conv.in_channels * padded_plane(down, across);
  const std::int64_t sample = copied + (channels.end - channels.begin) * out_pixels(conv);
  const std::int64_t together = std::clamp<std::int64_t>(most_floats / sample, 1, conv.samples);
  for (std::int64_t n = 0; n < conv.samples; n += together) {
    Conv part = conv;
    part.samples = std::min(together, conv.samples - n);
    const float* const from = x + n * conv.in_channels * in_pixels(conv);
    const Planes image = padded(from, part.samples, conv.in_channels, down, across, padding.floats(copied * part.samples));
    for (std::int64_t o = channels.begin; o < channels.end;) {
      const std::int64_t group = o / each, end = std::min(channels.end, (group + 1) * each);
      const float* const by = output_panels(panels, part, dy + n * conv.out_channels * out_pixels(conv), o, end - o);
      const Planes own{image.data + group * depth * image.plane, image.sample, image.plane, image.row};
      gradient_of_group({part, own, by, dw + (o - channels.begin) * row, end - o, accumulate || n > 0});
      o = end;
    }
  }
}

}  // namespace
}  // namespace safer::kernels
