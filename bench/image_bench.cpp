#include <fmt/format.h>

#include "bench/kernels_bench.h"
#include "engine/parallel.h"
#include "engine/reference/reference.h"

// Kernels that slide over images or pass over their channels: memory bounds them.
namespace safer::bench {
namespace {

using kernels::BatchNorm;
using kernels::Channels;
using kernels::Conv;
using kernels::Epilogue;
using kernels::Images;
using kernels::Pool;
using kernels::WindowAxis;

constexpr double float_bytes = sizeof(float);

/// A benchmark of a kernel in any table, so that float runs can be checked against the double reference.
/// run(table, y, a, b): y[outputs] from a[first] and b[second].
template <class Run>
void add_kernel(const KernelTable<float>& table, const Limits& limits, const std::string& name, std::int64_t outputs,
                std::int64_t first, std::int64_t second, const Work& work, double tolerance, const Run& run) {
  for (const int threads : {1, 2})
    add(fmt::format("{}/threads:{}", name, threads), threads, [=, &table](benchmark::State& state) {
      const Floats a = random_floats(first, 1), b = random_floats(second, 2);
      const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
      Floats y(static_cast<std::size_t>(outputs));
      std::vector<double> want(y.size());
      set_threads(threads);
      run(table, y.data(), a.data(), b.data());
      run(kernels::reference_table, want.data(), wide_a.data(), wide_b.data());
      check_equal(name, y, want, tolerance);
      measure(state, threads, work, limits, [&] { run(table, y.data(), a.data(), b.data()); });
    });
}

/// Channels x side x side images.
struct Layer {
  std::int64_t samples, channels, side, stride;
};

/// Layers of MobileNets at 224 x 224, and the shape that the issue names.
constexpr Layer depthwise_layers[] = {{8, 256, 56, 1}, {8, 32, 112, 1}, {8, 64, 112, 2}, {8, 128, 56, 1},
                                      {8, 128, 56, 2}, {8, 512, 14, 1}, {8, 512, 14, 2}, {8, 1024, 7, 1}};

WindowAxis window(const Layer& layer, std::int64_t taps, std::int64_t before) {
  return {layer.side, (layer.side + 2 * before - taps) / layer.stride + 1, taps, layer.stride, 1, before};
}

std::string describe(std::string_view what, const KernelTable<float>& table, const Layer& layer) {
  return fmt::format("{}/{}/{}x{}x{}x{}/stride:{}", what, table.name, layer.samples, layer.channels, layer.side, layer.side,
                     layer.stride);
}

void add_depthwise(const KernelTable<float>& table, const Limits& limits, const Layer& layer) {
  const WindowAxis axis = window(layer, 3, 1);
  const Conv conv{layer.samples, layer.channels, layer.channels, layer.channels, axis, axis};
  const std::int64_t planes = layer.samples * layer.channels, in = planes * axis.in * axis.in, out = planes * axis.out * axis.out;
  const std::int64_t weights = layer.channels * 9;
  const Work work{.operations = 18 * double(out), .bytes = float_bytes * double(in + out + weights)};
  add_kernel(
      table, limits, describe("depthwise", table, layer), out, in, weights, work, 1e-5,
      [conv]<class T>(const KernelTable<T>& t, T* y, const T* x, const T* w) { t.conv2d(conv, y, x, w, nullptr, Epilogue<T>{}); });
  add_kernel(table, limits, describe("depthwise_input_gradient", table, layer), in, out, weights, work, 1e-5,
             [conv]<class T>(const KernelTable<T>& t, T* dx, const T* dy, const T* w) {
               t.conv2d_input_gradient(conv, dx, dy, w, false);
             });
  add_kernel(table, limits, describe("depthwise_weight_gradient", table, layer), weights, in, out, work, 1e-3,
             [conv]<class T>(const KernelTable<T>& t, T* dw, const T* x, const T* dy) {
               t.conv2d_weight_gradient(conv, dw, dy, x, Channels{0, conv.out_channels}, false);
             });
}

void add_pooling(const KernelTable<float>& table, const Limits& limits, const Layer& layer, std::int64_t taps) {
  const WindowAxis axis = window(layer, taps, taps / 2);
  const Pool pool{layer.samples * layer.channels, axis, axis};
  const std::int64_t in = pool.planes * axis.in * axis.in, out = pool.planes * axis.out * axis.out;
  const Work forward{.bytes = float_bytes * double(in + out)}, backward{.bytes = float_bytes * double(2 * in + out)};
  add_kernel(table, limits, describe("max_pool", table, layer), out, in, 0, forward, 0,
             [pool]<class T>(const KernelTable<T>& t, T* y, const T* x, const T*) { t.max_pool(pool, y, x); });
  add_kernel(
      table, limits, describe("max_pool_gradient", table, layer), in, out, in, backward, 1e-6,
      [pool]<class T>(const KernelTable<T>& t, T* dx, const T* dy, const T* x) { t.max_pool_gradient(pool, dx, dy, x, false); });
  add_kernel(table, limits, describe("average_pool", table, layer), out, in, 0, forward, 1e-6,
             [pool]<class T>(const KernelTable<T>& t, T* y, const T* x, const T*) { t.average_pool(pool, y, x); });
  add_kernel(
      table, limits, describe("average_pool_gradient", table, layer), in, out, 0, forward, 1e-6,
      [pool]<class T>(const KernelTable<T>& t, T* dx, const T* dy, const T*) { t.average_pool_gradient(pool, dx, dy, false); });
}

void add_batch_norm(const KernelTable<float>& table, const Limits& limits, const Layer& layer) {
  const std::int64_t places = layer.side * layer.side, n = layer.samples * layer.channels * places;
  const Images images{layer.samples, layer.channels, places, layer.channels * places};
  const Work pass{.bytes = 2 * float_bytes * double(n)}, read{.bytes = float_bytes * double(n)};
  // The second operand, squared where it must be positive, stands for all four vectors of a channel.
  const auto norm = []<class T>(const T* b) {
    return BatchNorm<T>{.mean = b, .variance = b + 1, .gamma = b, .beta = b, .epsilon = T(3)};
  };
  add_kernel(table, limits, describe("batch_norm", table, layer), n, n, layer.channels + 1, pass, 1e-5,
             [=]<class T>(const KernelTable<T>& t, T* y, const T* x, const T* b) { t.batch_norm(images, y, x, norm(b)); });
  add_kernel(
      table, limits, describe("batch_moments", table, layer), 2 * layer.channels, n, 0, read, 1e-5,
      [=]<class T>(const KernelTable<T>& t, T* y, const T* x, const T*) { t.batch_moments(images, y, y + images.channels, x); });
  add_kernel(table, limits, describe("batch_norm_sums", table, layer), 2 * layer.channels, n, n, pass, 1e-3,
             [=]<class T>(const KernelTable<T>& t, T* y, const T* dy, const T* x) {
               t.batch_norm_sums(images, y, y + images.channels, dy, x, norm(x), false);
             });
}

}  // namespace

void add_images(const KernelTable<float>& table, const Limits& limits) {
  for (const Layer& layer : depthwise_layers) add_depthwise(table, limits, layer);
  add_pooling(table, limits, {8, 64, 112, 2}, 3);
  add_pooling(table, limits, {8, 256, 28, 1}, 3);
  for (const Layer& layer : {Layer{8, 64, 56, 1}, Layer{8, 512, 7, 1}}) add_batch_norm(table, limits, layer);
}

}  // namespace safer::bench
