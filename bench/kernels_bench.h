#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/floats.h"
#include "engine/kernels/kernel_table.h"

/// What the benchmarks of the kernels share: one file a family, each of which adds its own to the list in kernels_bench.cpp.
namespace safer::bench {

using kernels::KernelTable;

/// What this machine does at most, measured in the same run.
struct Limits {
  double peak = 0;              // GFLOP/s of one thread from registers alone; 0: not known
  double bandwidth = 0;         // GB/s of one thread between memory and registers, of arrays larger than the caches
  double shared_bandwidth = 0;  // the same of two threads together
};
/// For the instruction set of a table.
Limits measure_limits(std::string_view isa);

/// What one call does: floating-point operations, and bytes that must move at least (each array once).
struct Work {
  double operations = 0, bytes = 0;
};

/// Registers a benchmark: best, median and spread of ten repetitions.
void add(const std::string& name, int threads, const std::function<void(benchmark::State&)>& run);
/// Times f. Columns: GFLOP/s, GB/s and how much of the roofline that is: the time that the work takes at least, by peak or by
/// bandwidth, whichever is longer (Williams, Waterman & Patterson 2009), over the time that it took.
void measure(benchmark::State& state, int threads, const Work& work, const Limits& limits, const std::function<void()>& f);

/// Uniform in (-1, 1).
Floats random_floats(std::int64_t n, std::uint64_t key);
/// Throws Error, naming the benchmark, unless each |got - want| <= tolerance * max(1, |want|).
void check_equal(std::string_view name, std::span<const float> got, std::span<const float> want, double tolerance);
void check_equal(std::string_view name, std::span<const float> got, std::span<const double> want, double tolerance);

/// The families. `baseline`: results are compared with this table's, which the tests hold against the reference.
void add_products(const KernelTable<float>& table, const Limits& limits);
void add_attention(const KernelTable<float>& table, const Limits& limits);
/// The same work by other libraries; `limits` of the widest instructions that run here, which those use that choose at run time.
void add_peer_products(const Limits& limits);
void add_peer_convolutions(const Limits& limits);
void add_streams(const KernelTable<float>& table, const KernelTable<float>& baseline, const Limits& limits);
void add_images(const KernelTable<float>& table, const Limits& limits);
void add_convolutions(const KernelTable<float>& table, const Limits& limits);

/// Floating-point operations of `rounds` rounds of as many independent multiply-adds as keep the units of the instruction set busy,
/// from registers alone; 0 where there is no such loop.
std::int64_t multiply_adds(std::string_view isa, std::int64_t rounds);

}  // namespace safer::bench
