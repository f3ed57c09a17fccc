#pragma once

#include "engine/kernels/generic/conv_padded.h"
#include "engine/kernels/generic/gather_tile.h"

// What a convolution and its input's gradient have in common: each place of the result is a sum over k of numbers gathered from an
// image times a column of a packed matrix. Places are the rows of tiles and output channels their columns, so the sums come out
// with channels innermost; they are transposed on their way to the result.
namespace safer::kernels {
namespace {

/// result(n, c, i, j) = sum over k of x[n][i * x_row + j * x_column + places[k]] panels(k, c), through the epilogue.
struct Gather {
  std::int64_t samples, rows, columns, channels, k;
  const float* x;
  std::int64_t x_sample, x_row, x_column;
  const std::int64_t* places;  // [k]
  const float* panels;         // [panel of channels][k][panel_columns]
  float* y;
  std::int64_t y_sample, y_plane, y_row, y_column;
  Epilogue<T> epilogue;   // its residual lies as y; it may be y itself
  bool separate = false;  // no two places share a number, and all lie in one row: it pays to bring them together
  bool dense() const { return y_column == 1 && y_row == columns; }
};

/// Some of the tiles of one sample and one panel of channels; tiles follow one another along the rows.
struct GatherTask {
  std::int64_t sample, panel, first, end;
  const float* x;     // of the sample
  std::int64_t skip;  // place at which x starts
};

/// sums[place, panel_columns], over places of the task's tiles in order.
inline void gather_sums(const Gather& g, const GatherTask& task, const Cut& cut, std::int64_t columns, float* sums) {
  alignas(64) float bias[panel_columns] = {};
  if (g.epilogue.bias) std::copy_n(g.epilogue.bias + task.panel * panel_columns, columns, bias);
  const auto& tiles = gather_tiles.by_size[pieces(columns, lanes) - 1];
  for (std::int64_t p = 0; p == 0 || p < g.k; p += gather_block) {
    float* to = sums;
    for (std::int64_t tile = task.first; tile < task.end; ++tile) {
      const std::int64_t i = tile / cut.tiles, q = tile % cut.tiles, count = cut.count(q);
      tiles[count - 1]({.a = task.x + i * g.x_row + (cut.first(q) - task.skip) * g.x_column,
                        .a_row = g.x_column,
                        .places = g.places + p,
                        .b = g.panels + (task.panel * g.k + p) * panel_columns,
                        .to = to,
                        .to_row = panel_columns,
                        .k = std::min(gather_block, g.k - p),
                        .base = p > 0             ? to
                                : g.epilogue.bias ? bias
                                                  : nullptr,
                        .base_row = p > 0 ? panel_columns : 0});
      to += count * panel_columns;
    }
  }
}

/// Puts sums where they belong when the result's places do not follow one another.
inline void scatter(const Gather& g, const GatherTask& task, const Cut& cut, std::int64_t columns, const float* sums) {
  const std::int64_t start = task.sample * g.y_sample + task.panel * panel_columns * g.y_plane;
  for (std::int64_t tile = task.first; tile < task.end; ++tile) {
    const std::int64_t i = tile / cut.tiles, q = tile % cut.tiles, count = cut.count(q);
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t at = start + c * g.y_plane + i * g.y_row + cut.first(q) * g.y_column;
      for (std::int64_t j = 0; j < count; ++j) {
        const float sum = sums[j * panel_columns + c];
        float& y = g.y[at + j * g.y_column];
        y = g.epilogue.residual ? g.epilogue.residual[at + j * g.y_column] + sum : sum;
      }
    }
    sums += count * panel_columns;
  }
}

inline void run(const Gather& g, const GatherTask& task, const Cut& cut) {
  thread_local Scratch scratch;
  const auto place = [&](std::int64_t tile) { return tile / cut.tiles * g.columns + cut.first(tile % cut.tiles); };
  const std::int64_t first = place(task.first), n = place(task.end) - first;
  const std::int64_t columns = std::min(panel_columns, g.channels - task.panel * panel_columns);
  float* const sums = scratch.floats(n * panel_columns);
  gather_sums(g, task, cut, columns, sums);
  if (!g.dense()) return scatter(g, task, cut, columns, sums);
  const std::int64_t at = task.sample * g.y_sample + task.panel * panel_columns * g.y_plane + first;
  const Clamp clamp = clamp_of(g.epilogue);
  put_transposed(g.y + at, g.y_plane, sums, n, columns, g.epilogue.residual ? g.epilogue.residual + at : nullptr, clamp);
  for (std::int64_t c = 0; c < columns && !clamp.exact; ++c) activate(g.y + at + c * g.y_plane, n, g.epilogue);
}

/// All panels for some tiles of one sample, from a copy in which what their places read stands side by side: numbers of different
/// channels are far apart in an image, which makes tiles miss the caches.
inline void run_together(Gather g, std::int64_t sample, std::int64_t first, std::int64_t end, const Cut& cut) {
  thread_local Scratch copies, numbers;
  const std::int64_t begin = cut.first(first), n = cut.first(end) - begin;
  float* const together = copies.floats(g.k * n);
  std::int64_t* const places = numbers.integers(g.k);
  for (std::int64_t p = 0; p < g.k; ++p) {
    copy(together + p * n, g.x + sample * g.x_sample + g.places[p] + begin, n);
    places[p] = p * n;
  }
  g.places = places;
  for (std::int64_t panel = 0; panel < pieces(g.channels, panel_columns); ++panel)
    run(g, {sample, panel, first, end, together, begin}, cut);
}

/// Tasks are cut by the sizes of one sample, so that its result does not depend on the batch it is in.
inline void run(const Gather& g) {
  if (g.samples * g.rows * g.columns * g.channels == 0) return;
  const Cut cut(g.columns);
  const std::int64_t work = g.samples * g.rows * g.columns * g.channels * g.k / 16, tiles = g.rows * cut.tiles;
  if (g.separate && g.k > 0) {
    constexpr std::int64_t most_copied = 1 << 15;  // a part of the second-level cache
    const std::int64_t parts = std::min(tiles, pieces(g.columns * g.k, most_copied));
    parallel_for(g.samples * parts, work, [&](std::int64_t task) {
      const std::int64_t part = task % parts;
      run_together(g, task / parts, tiles * part / parts, tiles * (part + 1) / parts, cut);
    });
    return;
  }
  constexpr std::int64_t most_places = (1 << 14) / panel_columns;  // whose sums stay in the second-level cache
  const std::int64_t panels = pieces(g.channels, panel_columns), parts = std::min(tiles, pieces(g.rows * g.columns, most_places));
  // Few weights stay in the second-level cache beside a part of an image, which all panels read; many are read once for all images.
  const bool few = g.k * g.channels <= 1 << 18;
  parallel_for(panels * g.samples * parts, work, [&](std::int64_t task) {
    const std::int64_t panel = few ? task % panels : task / (g.samples * parts),
                       at = few ? task / panels : task % (g.samples * parts);
    const std::int64_t sample = at / parts, part = at % parts;
    run(g, {sample, panel, tiles * part / parts, tiles * (part + 1) / parts, g.x + sample * g.x_sample, 0}, cut);
  });
}

}  // namespace
}  // namespace safer::kernels
