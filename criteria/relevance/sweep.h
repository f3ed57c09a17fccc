#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"
#include "criteria/relevance/probe.h"
#include "criteria/relevance/sums.h"
#include "criteria/relevance/target_runs.h"
#include "models/network.h"

namespace safer {

struct SweepOptions {
  int groups = 1;  // 1..n; what is in which group follows from the seed
  std::uint64_t seed = 0;
  std::int64_t batch = 0;  // most samples that run at once; 0: as many as a moderate amount of memory holds
  ProbeOptions probes = {};
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};  // in samples, each as often as it is run
  SharedSweeps* shared = nullptr;                                            // read and added to, if there is one
};

/// One sweep for each probe that occurs among `needs`, of the target's gradients by the parameters `weights`; accumulates what each
/// need asks for. Memory: the sums, and a batch. Throws Error when the calibration does not fit the network, or an option makes no
/// sense.
Sums sweep(const Network& network, const Calibration& calibration, std::span<const int> weights, std::span<const Needs> needs,
           const SweepOptions& options);

/// What sweep() accumulates for each of `needs`.
std::vector<Sums::Layout> layouts(const Network& network, std::span<const int> weights, std::span<const Needs> needs,
                                  const ProbeOptions& options);
/// How often these needs run each sample.
std::int64_t count_runs(const Network& network, std::span<const int> weights, std::span<const Needs> needs,
                        const ProbeOptions& options);

}  // namespace safer
