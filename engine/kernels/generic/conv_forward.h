#pragma once

#include "engine/kernels/generic/conv_band.h"
#include "engine/kernels/generic/scratch.h"

// Convolution as an implicit product: y[o, q] = sum over k = (c, s, t) of w[o, k] x[q + offset(k)], where q runs over the places of
// a band of the image and offset(k) leads to the place that tap (s, t) of channel c sees. The input gradient is one, too.
// An element is a chain of mul_adds over k, cut at whole channels; tasks, bands and threads do not change its bits.
namespace safer::kernels {
namespace {

/// Where results go: output (i, j) of channel o of sample n at y[n * sample + o * plane + i * row + j * column].
struct Planes {
  float* y;
  std::int64_t sample, plane, row, column;
  const Epilogue<T>& epilogue;  // its residual lies as y; a bias a channel
  bool accumulate = false;
};

/// How the outputs of a convolution are cut into tasks, from sizes alone.
struct ConvTasks {
  explicit ConvTasks(const Conv& conv)
      : tiles(outputs(conv), tile_shape.rows),
        band_rows(best_rows(conv)),
        bands(pieces(conv.rows.out, band_rows)),
        samples_at_once(bands > 1 ? 1 : std::max<std::int64_t>(1, places_at_once / places(conv, band_rows))),
        batches(pieces(conv.samples, samples_at_once)),
        blocks(pieces(outputs(conv), rows_at_once)) {}
  std::int64_t count(const Conv& conv) const { return batches * bands * conv.groups * blocks; }

  /// From the first output of a band to its last, those between the rows included.
  static std::int64_t places(const Conv& conv, std::int64_t rows) {
    return rows * Band(conv, rows).width - (Band(conv, rows).width - conv.columns.out);
  }

  RowTiles tiles;
  std::int64_t band_rows, bands, samples_at_once, batches, blocks;

 private:
  static constexpr std::int64_t places_at_once = 256, rows_at_once = 128;  // results of a task stay in the second-level cache

  /// The fewest vectors altogether, an extra one for what bands see twice.
  static std::int64_t best_rows(const Conv& conv) {
    std::int64_t best = 1, least = std::numeric_limits<std::int64_t>::max();
    for (std::int64_t rows = 1; rows <= conv.rows.out; ++rows) {
      if (rows > 1 && places(conv, rows) > 2 * places_at_once) break;
      const std::int64_t left = conv.rows.out % rows;
      const std::int64_t vectors =
          conv.rows.out / rows * (pieces(places(conv, rows), lanes) + 1) + (left ? pieces(places(conv, left), lanes) + 1 : 0);
      if (vectors <= least) best = rows, least = vectors;
    }
    return best;
  }
};

/// Steps of k taken at once: whole channels where their taps are few.
struct Depths {
  explicit Depths(const Conv& conv)
      : unit(taps(conv) <= k_block ? taps(conv) : 1), units(row_weights(conv) / unit), blocks(pieces(units, k_block / unit)) {}
  std::int64_t first(std::int64_t block) const { return cut(units, block, blocks) * unit; }
  std::int64_t unit, units, blocks;
};

/// Offsets of the steps begin .. end - 1 of k, from the plane of the first one's channel.
inline void fill_tap_offsets(std::int64_t (&at)[k_block], const Conv& conv, const Band& band, std::int64_t plane,
                             std::int64_t begin, std::int64_t end) {
  const std::int64_t first = begin / taps(conv);
  for (std::int64_t k = begin; k < end; ++k) {
    const std::int64_t c = k / taps(conv), tap = k % taps(conv);
    at[k - begin] = (c - first) * plane + band.offset(conv, tap / conv.columns.taps, tap % conv.columns.taps);
  }
}

/// What a task computes: some samples, a band of output rows, a block of the channels of a group.
struct ConvTask {
  const Conv& conv;
  const RowTiles& tiles;
  const float* x;
  const float* packed_w;
  std::int64_t sample, samples, first_row, rows, group;
  TileRange range;
  std::int64_t first_output() const { return tiles.first(range.first); }  // in its group
  std::int64_t outputs_here() const { return tiles.first(range.end) - first_output(); }
  const float* channel(std::int64_t n, std::int64_t c) const {
    return x + ((sample + n) * conv.in_channels + group * depth(conv) + c) * in_pixels(conv);
  }
};

/// Results of a task before the epilogue: [sample][panel of places][output][panel_columns].
struct Results {
  Results(const ConvTask& task, const Band& band)
      : places(task.rows * band.width - (band.width - task.conv.columns.out)),
        panels(pieces(places, panel_columns)),
        rows(task.outputs_here()) {}
  std::int64_t sample() const { return panels * rows * panel_columns; }
  std::int64_t places, panels, rows;
};

/// results (+)= w x over the steps begin .. end - 1 of k.
inline void multiply_taps(const ConvTask& task, const Band& band, const Results& results, float* to, std::int64_t begin,
                          std::int64_t end) {
  thread_local Scratch scratch;
  const Conv& conv = task.conv;
  const std::int64_t first = begin / taps(conv), channels = pieces(end, taps(conv)) - first;
  const bool copies = !dense(conv);
  const std::int64_t plane = copies ? band.plane : in_pixels(conv), sample = channels * plane;
  float* const copy = copies ? scratch.floats(task.samples * sample) : nullptr;
  std::int64_t offsets[k_block];
  fill_tap_offsets(offsets, conv, band, plane, begin, end);
  const Rows w{task.packed_w + task.group * outputs(conv) * row_weights(conv), 1, 0, row_weights(conv), begin};
  for (std::int64_t n = 0; n < task.samples; ++n) {
    if (copies)
      for (std::int64_t c = 0; c < channels; ++c)
        copy_plane(copy + n * sample + c * plane, conv, band, task.channel(n, first + c), task.first_row);
    const float* from = copies ? copy + n * sample : task.channel(n, first) + task.first_row * conv.columns.in;
    const Result result{.c = to + n * results.sample(),
                        .row = panel_columns,
                        .panel = results.rows * panel_columns,
                        .start = nullptr,
                        .add = begin > 0,
                        .last_step = false,
                        .residual = nullptr,
                        .clamp = {}};
    multiply_rows(task.tiles, task.range, task.first_output(), w, {from, offsets, panel_columns}, result, results.places,
                  end - begin);
  }
}

/// n results of one channel, side by side, to their places.
inline void put_run(const Planes& planes, std::int64_t at, const float* from, std::int64_t n, float bias, const Clamp& clamp) {
  float* const y = planes.y + at;
  if (planes.column != 1) {
    for (std::int64_t j = 0; j < n; ++j) {
      float& to = y[j * planes.column];
      to = planes.accumulate ? to + from[j] : from[j];
    }
    return;
  }
  const float* const residual = planes.epilogue.residual ? planes.epilogue.residual + at : nullptr;
  const Batch shift(bias), low(clamp.low), high(clamp.high);
  each(0, n, [=, accumulate = planes.accumulate](std::int64_t j, auto access) {
    Batch v = access.load(from + j) + shift;
    if (residual) v += access.load(residual + j);
    put(access, y + j, xsimd::min(high, xsimd::max(low, v)), accumulate);
  });
  if (!clamp.exact) activate(y, n, planes.epilogue);
}

/// The rows of outputs in a panel: f(place in the panel, row, column, count).
template <class F>
inline void each_run(const Band& band, const ConvTask& task, std::int64_t panel, std::int64_t places, const F& f) {
  const std::int64_t begin = panel * panel_columns, end = std::min(places, begin + panel_columns), width = band.width;
  for (std::int64_t i = begin / width; i * width < end; ++i) {
    const std::int64_t first = std::max(begin, i * width), last = std::min(end, i * width + task.conv.columns.out);
    if (first < last) f(first - begin, i, first - i * width, last - first);
  }
}

inline void put_results(const ConvTask& task, const Band& band, const Results& results, const float* from, const Planes& planes) {
  const Clamp clamp = clamp_of(planes.epilogue);
  for (std::int64_t n = 0; n < task.samples; ++n)
    for (std::int64_t q = 0; q < results.panels; ++q, from += results.rows * panel_columns)
      each_run(band, task, q, results.places, [&](std::int64_t place, std::int64_t i, std::int64_t j, std::int64_t count) {
        for (std::int64_t r = 0; r < results.rows; ++r) {
          const std::int64_t o = task.group * outputs(task.conv) + task.first_output() + r;
          const std::int64_t at =
              (task.sample + n) * planes.sample + o * planes.plane + (task.first_row + i) * planes.row + j * planes.column;
          put_run(planes, at, from + r * panel_columns + place, count, planes.epilogue.bias ? planes.epilogue.bias[o] : 0.f, clamp);
        }
      });
}

inline void compute(const ConvTask& task, const Planes& planes) {
  thread_local Scratch scratch;
  const Band band(task.conv, task.rows);
  const Results results(task, band);
  const Depths depths(task.conv);
  float* const to = scratch.floats(task.samples * results.sample());
  for (std::int64_t block = 0; block < depths.blocks; ++block)
    multiply_taps(task, band, results, to, depths.first(block), depths.first(block + 1));
  put_results(task, band, results, to, planes);
}

/// Every output of the convolution; packed_w as pack_weights lays it out.
inline void convolve(const Conv& conv, const float* x, const float* packed_w, const Planes& planes) {
  const ConvTasks tasks(conv);
  parallel_for(tasks.count(conv), conv_work(conv), [&](std::int64_t at) {
    const std::int64_t block = at % tasks.blocks, band = at / tasks.blocks % tasks.bands;
    const std::int64_t group = at / tasks.blocks / tasks.bands % conv.groups, batch = at / tasks.blocks / tasks.bands / conv.groups;
    const std::int64_t sample = batch * tasks.samples_at_once, row = band * tasks.band_rows;
    const ConvTask task{.conv = conv,
                        .tiles = tasks.tiles,
                        .x = x,
                        .packed_w = packed_w,
                        .sample = sample,
                        .samples = std::min(tasks.samples_at_once, conv.samples - sample),
                        .first_row = row,
                        .rows = std::min(tasks.band_rows, conv.rows.out - row),
                        .group = group,
                        .range = {cut(tasks.tiles.count, block, tasks.blocks), cut(tasks.tiles.count, block + 1, tasks.blocks)}};
    compute(task, planes);
  });
}

}  // namespace
}  // namespace safer::kernels
