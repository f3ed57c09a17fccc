#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "bench/kernels_bench.h"
#include "engine/parallel.h"

// What the machine does at most: multiply-adds a second (kernels_peak.cpp), and bytes a second between memory and registers.
namespace safer::bench {
namespace {

/// Seconds of processor time of this thread: what other programs do on a busy machine does not count.
double processor_seconds() {
  std::timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double peak(std::string_view isa) {
  double best = 0;
  for (int run = 0; run < 30; ++run) {
    const double start = processor_seconds();
    const std::int64_t operations = multiply_adds(isa, 100000);
    best = std::max(best, double(operations) / (processor_seconds() - start) / 1e9);
  }
  return best;
}

/// GB/s of x + 3 y into z (the triad of McCalpin's STREAM), three arrays that fit no cache together; what stores read is not
/// counted.
double bandwidth(int threads) {
  constexpr std::int64_t n = 1 << 24, block = 1 << 18;
  static std::vector<float> x(n, 1), y(n, 2), z(n);
  set_threads(threads);
  double best = 0;
  for (int run = 0; run < 12; ++run) {
    const double start = threads > 1 ? seconds() : processor_seconds();
    parallel_for(n / block, n, [&](std::int64_t b) {
      for (std::int64_t i = b * block; i < (b + 1) * block; ++i) {
        const auto at = static_cast<std::size_t>(i);
        z[at] = x[at] + 3 * y[at];
      }
    });
    benchmark::ClobberMemory();
    const double taken = (threads > 1 ? seconds() : processor_seconds()) - start;
    best = std::max(best, 3 * sizeof(float) * double(n) / taken / 1e9);
  }
  return best;
}

}  // namespace

Limits measure_limits(std::string_view isa) {
  static const double one = bandwidth(1), two = bandwidth(2);
  return {.peak = peak(isa), .bandwidth = one, .shared_bandwidth = two};
}

}  // namespace safer::bench
