#include <fmt/format.h>

#include <algorithm>

#include "bench/kernels_bench.h"
#include "bench/peers.h"
#include "engine/parallel.h"
#include "engine/reference/reference.h"

namespace safer::bench {
namespace {

using kernels::Conv;
using kernels::WindowAxis;

constexpr std::string_view direction_names[] = {"forward", "input_gradient", "weight_gradient"};

/// A square convolution: `in` places a side, padding that keeps them but for the stride.
struct Layer {
  std::int64_t in_channels, out_channels, in, taps, stride = 1;
  Conv of(std::int64_t samples) const {
    const std::int64_t before = taps / 2;
    const WindowAxis axis{in, (in + 2 * before - taps) / stride + 1, taps, stride, 1, before};
    return {samples, 1, in_channels, out_channels, axis, axis};
  }
};

/// 3x3 and 1x1 of ResNet-50, the others of ResNet-18, and pointwise ones of MobileNetV1.
constexpr Layer layers[] = {{64, 64, 56, 3},     {128, 128, 28, 3},    {256, 64, 56, 1},  {3, 64, 224, 7, 2},   {64, 128, 56, 3, 2},
                            {64, 128, 56, 1, 2}, {128, 256, 28, 3, 2}, {256, 256, 14, 3}, {256, 512, 14, 3, 2}, {512, 512, 7, 3},
                            {32, 64, 112, 1},    {128, 128, 56, 1},    {256, 256, 28, 1}, {512, 512, 14, 1},    {1024, 1024, 7, 1}};

std::int64_t elements(const WindowAxis& rows, const WindowAxis& columns, std::int64_t WindowAxis::*side) {
  return rows.*side * columns.*side;
}

/// Arrays of one convolution: what it reads, and in place of one of them what it writes.
struct Operands {
  Operands(const Conv& c, Direction what)
      : conv(c),
        direction(what),
        x(random_floats(c.samples * c.in_channels * elements(c.rows, c.columns, &WindowAxis::in), 1)),
        w(random_floats(c.out_channels * c.in_channels / c.groups * elements(c.rows, c.columns, &WindowAxis::taps), 2)),
        y(random_floats(c.samples * c.out_channels * elements(c.rows, c.columns, &WindowAxis::out), 3)) {
    out.resize(direction == Direction::forward ? y.size() : direction == Direction::input_gradient ? x.size() : w.size());
  }

  void pack(const KernelTable<float>& table) {
    packed.resize(static_cast<std::size_t>(table.packed_conv2d_size(conv)));
    if (!packed.empty()) table.pack_conv2d(conv, packed.data(), w.data());
  }
  void run(const KernelTable<float>& table) {
    if (direction == Direction::forward)
      table.conv2d(conv, out.data(), x.data(), w.data(), packed.empty() ? nullptr : packed.data(), {});
    else if (direction == Direction::input_gradient)
      table.conv2d_input_gradient(conv, out.data(), y.data(), w.data(), false);
    else
      table.conv2d_weight_gradient(conv, out.data(), y.data(), x.data(), {0, conv.out_channels}, false);
  }

  /// Against the double reference; each of the products that an element sums adds a rounding.
  void check(const std::string& name, const Floats& got) const {
    const std::vector<double> wide_x(x.begin(), x.end()), wide_w(w.begin(), w.end()), wide_y(y.begin(), y.end());
    std::vector<double> want(out.size());
    const auto& reference = kernels::reference_table;
    if (direction == Direction::forward)
      reference.conv2d(conv, want.data(), wide_x.data(), wide_w.data(), nullptr, {});
    else if (direction == Direction::input_gradient)
      reference.conv2d_input_gradient(conv, want.data(), wide_y.data(), wide_w.data(), false);
    else
      reference.conv2d_weight_gradient(conv, want.data(), wide_y.data(), wide_x.data(), {0, conv.out_channels}, false);
    check_equal(name, got, want, 1e-6 * std::max(64.0, products() / double(out.size())));
  }

  double products() const { return double(y.size()) * double(w.size()) / double(conv.out_channels); }
  Work work() const { return {.operations = 2 * products(), .bytes = sizeof(float) * double(x.size() + w.size() + y.size())}; }

  Conv conv;
  Direction direction;
  Floats x, w, y, out, packed;
};

constexpr std::int64_t samples = 8;

std::string name_of(std::string_view by, const Layer& layer, Direction direction, int threads) {
  return fmt::format("conv/{}/{}x{}/{}-{}/{}/stride:{}/{}/threads:{}", by, layer.taps, layer.taps, layer.in_channels,
                     layer.out_channels, layer.in, layer.stride, direction_names[int(direction)], threads);
}

void add_convolution(const KernelTable<float>& table, const Layer& layer, Direction direction, int threads, const Limits& limits) {
  const std::string name = name_of(table.name, layer, direction, threads);
  add(name, threads, [=, &table](benchmark::State& state) {
    set_threads(threads);
    Operands one(layer.of(1), direction);
    one.pack(table);
    one.run(table);
    one.check(name, one.out);
    Operands batch(layer.of(samples), direction);
    batch.pack(table);
    measure(state, threads, batch.work(), limits, [&] { batch.run(table); });
  });
}

void add_peer_convolution(const Layer& layer, Direction direction, int threads, const Limits& limits) {
  const std::string name = name_of("onednn", layer, direction, threads);
  const auto theirs = [=](const Operands& x) { return onednn_convolution(x.conv, direction, x.x, x.w, x.y, threads); };
  add(name, threads, [=](benchmark::State& state) {
    const Operands one(layer.of(1), direction), batch(layer.of(samples), direction);
    const auto checked = theirs(one);
    checked->run();
    one.check(name, checked->result());
    const auto timed = theirs(batch);
    measure(state, threads, batch.work(), limits, [&] { timed->run(); });
  });
}

template <class Add>
void each_convolution(const Add& add) {
  for (const Layer& layer : layers)
    for (const Direction direction : {Direction::forward, Direction::input_gradient, Direction::weight_gradient})
      for (const int threads : {1, 2}) add(layer, direction, threads);
}

}  // namespace

void add_convolutions(const KernelTable<float>& table, const Limits& limits) {
  each_convolution(
      [&](const Layer& layer, Direction direction, int threads) { add_convolution(table, layer, direction, threads, limits); });
}

void add_peer_convolutions(const Limits& limits) {
  const Operands least({1, 1, 1, 1, {1, 1, 1}, {1, 1, 1}}, Direction::forward);
  if (!onednn_convolution(least.conv, least.direction, least.x, least.w, least.y, 1)) return;
  each_convolution(
      [&](const Layer& layer, Direction direction, int threads) { add_peer_convolution(layer, direction, threads, limits); });
}

}  // namespace safer::bench
