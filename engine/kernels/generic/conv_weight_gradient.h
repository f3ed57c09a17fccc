#pragma once

#include "engine/kernels/generic/conv_sizes.h"
#include "engine/kernels/generic/depthwise_gradient.h"
#include "engine/kernels/generic/scratch.h"

// dw[o, (c, s, t)] = sum over places p of dy[o, p] x[c, place that tap (s, t) sees from p]: a product whose long side is p. Vectors
// run along c, so x is copied with the channels innermost; where there are few channels, along (t, c), which lie side by side
// there. An element is a chain of mul_adds over the places of a block, and blocks are added in order: the bits of a weight depend
// neither on the channels that are asked for together nor on threads.
namespace safer::kernels {
namespace {

/// The places of outputs that are taken at once: whole samples, rows of one, or a part of a row.
struct PlaceBlocks {
  explicit PlaceBlocks(const Conv& conv)
      : samples(std::max<std::int64_t>(1, k_block / out_pixels(conv))),
        bands(samples > 1 ? 1 : pieces(conv.rows.out, std::max<std::int64_t>(1, k_block / conv.columns.out))),
        parts(pieces(conv.columns.out, k_block)) {}
  std::int64_t count(const Conv& conv) const { return pieces(conv.samples, samples) * bands * parts; }
  std::int64_t samples, bands, parts;
};

/// One of them: outputs (i, j) of some samples.
struct Places {
  Places(const Conv& conv, const PlaceBlocks& blocks, std::int64_t at) {
    const std::int64_t part = at % blocks.parts, band = at / blocks.parts % blocks.bands, batch = at / blocks.parts / blocks.bands;
    sample = batch * blocks.samples, samples = std::min(blocks.samples, conv.samples - sample);
    row = cut(conv.rows.out, band, blocks.bands), rows = cut(conv.rows.out, band + 1, blocks.bands) - row;
    column = cut(conv.columns.out, part, blocks.parts), columns = cut(conv.columns.out, part + 1, blocks.parts) - column;
  }
  std::int64_t of_sample() const { return rows * columns; }
  std::int64_t sample, samples, row, rows, column, columns;
};

/// What a task computes: rows of dw in one group, and some of its channels.
struct WeightTask {
  const Conv& conv;
  const float* dy;
  const float* x;
  std::int64_t group, first_output, outputs, first_channel, channels;  // counted in the group
  bool joint;                                                          // vectors run along (t, c)
  RowTiles tiles() const { return RowTiles(outputs, tile_shape.rows); }
  std::int64_t runs() const { return joint ? conv.rows.taps : taps(conv); }
  std::int64_t run_length() const { return joint ? conv.columns.taps * channels : channels; }
  /// Floats of sums [run][panel of its columns][row][panel_columns].
  std::int64_t run_panels() const { return pieces(run_length(), panel_columns); }
  std::int64_t run_size() const { return run_panels() * outputs * panel_columns; }
};

/// The inputs that a block of places sees, zeros outside the image: [sample][row][column][pitch], channels innermost.
struct Pixels {
  Pixels(const WeightTask& task, const Places& places)
      : pitch(task.joint ? task.channels : odd_lines(task.channels)),
        rows((places.rows - 1) * task.conv.rows.stride + taps_reach(task.conv.rows) + 1),
        columns((places.columns - 1) * task.conv.columns.stride + taps_reach(task.conv.columns) + 1) {}
  std::int64_t sample() const { return rows * columns * pitch; }
  std::int64_t offset(const WeightTask& task, std::int64_t run) const {
    const WindowAxis &down = task.conv.rows, &right = task.conv.columns;
    if (task.joint) return run * down.dilation * columns * pitch;
    return (run / right.taps * down.dilation * columns + run % right.taps * right.dilation) * pitch;
  }
  std::int64_t pitch, rows, columns;
};

inline void copy_pixels(float* to, const Pixels& pixels, const WeightTask& task, const Places& places) {
  const Conv& conv = task.conv;
  const std::int64_t left = places.column * conv.columns.stride - conv.columns.before;
  const std::int64_t top = places.row * conv.rows.stride - conv.rows.before;
  const std::int64_t begin = std::max<std::int64_t>(0, -left), end = std::min(pixels.columns, conv.columns.in - left);
  std::fill_n(to, places.samples * pixels.sample(), 0.f);
  for (std::int64_t n = 0; n < places.samples; ++n) {
    const std::int64_t channel = (places.sample + n) * conv.in_channels + task.group * depth(conv) + task.first_channel;
    for (std::int64_t i = 0; i < pixels.rows && begin < end; ++i)
      if (top + i >= 0 && top + i < conv.rows.in)
        transpose(to + n * pixels.sample() + (i * pixels.columns + begin) * pixels.pitch, pixels.pitch,
                  task.x + channel * in_pixels(conv) + (top + i) * conv.columns.in + left + begin, in_pixels(conv), task.channels,
                  end - begin, true);
  }
}

/// dy at a block of places, as packed rows of outputs.
inline Rows copied_outputs(float* to, const WeightTask& task, const RowTiles& tiles, const Places& places) {
  const Conv& conv = task.conv;
  const std::int64_t k = places.samples * places.of_sample(), pixels = out_pixels(conv);
  const std::int64_t first = task.group * outputs(conv) + task.first_output, place = places.row * conv.columns.out + places.column;
  for (std::int64_t tile = 0; tile < tiles.count; ++tile)
    for (std::int64_t n = 0; n < places.samples; ++n) {
      const std::int64_t rows = tiles.rows(tile), o = first + tiles.first(tile);
      transpose(to + tiles.first(tile) * k + n * places.of_sample() * rows, rows,
                task.dy + ((places.sample + n) * conv.out_channels + o) * pixels + place, pixels, rows, places.of_sample());
    }
  return {.data = to, .row = 1, .dense_col = 0, .packed_k = k};
}

inline void fill_place_offsets(std::int64_t (&at)[k_block], const Conv& conv, const Pixels& pixels, const Places& places) {
  std::int64_t p = 0;
  for (std::int64_t n = 0; n < places.samples; ++n)
    for (std::int64_t i = 0; i < places.rows; ++i)
      for (std::int64_t j = 0; j < places.columns; ++j)
        at[p++] = n * pixels.sample() + (i * conv.rows.stride * pixels.columns + j * conv.columns.stride) * pixels.pitch;
}

/// sums (+)= dy x over a block of places.
inline void multiply_places(const WeightTask& task, const Places& places, float* sums, bool add) {
  thread_local Scratch scratch_x, scratch_dy;
  const Pixels pixels(task, places);
  const RowTiles tiles = task.tiles();
  const std::int64_t k = places.samples * places.of_sample();
  float* const x = scratch_x.floats(places.samples * pixels.sample() + lanes * pixels.pitch);
  copy_pixels(x, pixels, task, places);
  const Rows dy = copied_outputs(scratch_dy.floats(task.outputs * k), task, tiles, places);
  std::int64_t offsets[k_block];
  fill_place_offsets(offsets, task.conv, pixels, places);
  for (std::int64_t run = 0; run < task.runs(); ++run)
    multiply_rows(tiles, {0, tiles.count}, 0, dy, {x + pixels.offset(task, run), offsets, panel_columns},
                  {.c = sums + run * task.run_size(),
                   .row = panel_columns,
                   .panel = task.outputs * panel_columns,
                   .start = nullptr,
                   .add = add,
                   .last_step = false,
                   .residual = nullptr,
                   .clamp = {}},
                  task.run_length(), k);
}

/// One row of sums as dw has it: to[channel][tap].
inline void put_row(const WeightTask& task, const float* sums, std::int64_t row, float* to) {
  const std::int64_t count = taps(task.conv), across = task.conv.columns.taps;
  const auto at = [&](std::int64_t tap, std::int64_t c) {
    const std::int64_t run = task.joint ? tap / across : tap, column = task.joint ? tap % across * task.channels + c : c;
    return sums + run * task.run_size() + (column / panel_columns * task.outputs + row) * panel_columns + column % panel_columns;
  };
  std::int64_t c = 0;
  if (!task.joint && count == 1)
    for (; c + lanes <= task.channels; c += lanes) store(to + c, load(at(0, c)));
  if (!task.joint && count >= 4)
    for (; c + lanes <= task.channels; c += lanes)
      for (std::int64_t left = count; left > 0; left -= 4) {
        const std::int64_t tap = std::max<std::int64_t>(0, left - 4);  // the first four may be written twice
        Batch quads[4];
        unroll<4>([&](auto i) { quads[i] = load(at(tap + i, c)); });
        transpose_quads(quads);
        unroll<4>([&](auto i) { store_quads(to + (c + i) * count + tap, 4 * count, quads[i]); });
      }
  for (; c < task.channels; ++c)
    for (std::int64_t tap = 0; tap < count; ++tap) to[c * count + tap] = *at(tap, c);
}

/// The task's part of dw, whose first row is output `first` of the group.
inline void compute(const WeightTask& task, float* dw, bool accumulate) {
  thread_local Scratch scratch, scratch_row;
  const PlaceBlocks blocks(task.conv);
  float* const sums = scratch.floats(task.runs() * task.run_size());
  for (std::int64_t block = 0; block < blocks.count(task.conv); ++block)
    multiply_places(task, Places(task.conv, blocks, block), sums, block > 0);
  const std::int64_t n = task.channels * taps(task.conv);
  float* const own = accumulate ? scratch_row.floats(n) : nullptr;
  for (std::int64_t row = 0; row < task.outputs; ++row) {
    float* const to = dw + row * row_weights(task.conv) + task.first_channel * taps(task.conv);
    put_row(task, sums, row, own ? own : to);
    if (own) each(0, n, [=](std::int64_t i, auto at) { at.store(to + i, at.load(to + i) + at.load(own + i)); });
  }
}

/// How rows and channels are cut into tasks. Each copies what it reads, so that square ones copy least; more of them when several
/// threads wait. That changes no bits.
struct WeightTasks {
  WeightTasks(const Conv& conv, std::int64_t rows, bool joint)
      : row_blocks(pieces(rows, at_once)), channel_blocks(joint ? 1 : pieces(depth(conv), channels_at_once)) {
    const std::int64_t threads = available_threads(), enough = threads > 1 ? 2 * threads : 1;
    while (!joint && conv.groups * row_blocks * channel_blocks < enough && depth(conv) / channel_blocks >= 2 * panel_columns)
      channel_blocks *= 2;
    while (conv.groups * row_blocks * channel_blocks < enough && rows / row_blocks >= 2 * tile_shape.rows) row_blocks *= 2;
  }
  static constexpr std::int64_t at_once = 64, channels_at_once = at_once / panel_columns * panel_columns;
  std::int64_t row_blocks, channel_blocks;
};

/// The rows first .. first + rows - 1 of one group.
inline void gradient_of_rows(const Conv& conv, float* dw, const float* dy, const float* x, std::int64_t group, std::int64_t first,
                             std::int64_t rows, bool accumulate) {
  const bool joint = depth(conv) < lanes && conv.columns.dilation == 1;
  const WeightTasks tasks(conv, rows, joint);
  const std::int64_t panels = pieces(depth(conv), panel_columns);
  parallel_for(tasks.row_blocks * tasks.channel_blocks, conv_work(conv) / conv.out_channels * rows, [&](std::int64_t at) {
    const std::int64_t block = at / tasks.channel_blocks, part = at % tasks.channel_blocks;
    const std::int64_t row = cut(rows, block, tasks.row_blocks), channel = cut(panels, part, tasks.channel_blocks) * panel_columns;
    const std::int64_t end = std::min(depth(conv), cut(panels, part + 1, tasks.channel_blocks) * panel_columns);
    compute({conv, dy, x, group, first + row, cut(rows, block + 1, tasks.row_blocks) - row, channel, end - channel, joint},
            dw + row * row_weights(conv), accumulate);
  });
}

inline void conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  if (is_depthwise(conv)) return depthwise_conv2d_weight_gradient(conv, dw, dy, x, channels, accumulate);
  const std::int64_t each_group = outputs(conv);
  if (conv.samples == 0) {
    if (!accumulate) std::fill_n(dw, (channels.end - channels.begin) * row_weights(conv), 0.f);
    return;
  }
  const std::int64_t first = channels.begin / each_group, groups = pieces(channels.end, each_group) - first;
  parallel_for(groups, conv_work(conv), [&](std::int64_t at) {
    const std::int64_t group = first + at, top = group * each_group, begin = std::max(channels.begin, top);
    gradient_of_rows(conv, dw + (begin - channels.begin) * row_weights(conv), dy, x, group, begin - top,
                     std::min(channels.end, top + each_group) - begin, accumulate);
  });
}

}  // namespace
}  // namespace safer::kernels
