#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "criteria/testbed/database/recipe.h"

namespace safer {

struct BuildOptions {
  Recipe recipe = {};
  std::vector<MoonsFamily> families = {MoonsFamily::vanilla, MoonsFamily::skip, MoonsFamily::skip_sd};
  std::int64_t networks = 100;  // of each family
  /// Called now and then, by one thread at a time: networks done of all that were missing.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct BuildResult {
  std::int64_t made = 0, there = 0;  // networks that were made now, and that the file had already
  std::int64_t unused = 0;           // of all these: too inaccurate to be measured
};

/// Trains and measures the networks that the file does not have yet, and writes each in one transaction: killed at any moment and
/// started again it ends with the content of an uninterrupted run, which is the same for any number of threads. Throws Error when
/// the file was made with another recipe, is written by another process, or is no testbed.
BuildResult build(Database& database, const BuildOptions& options);

/// The network of a specimen as the file has it.
Network read_network(Database& database, const Specimen& specimen);

/// Runs work(i) for i in 0..count-1, on all threads, each when one is free, and stops at the first exception, which it throws.
void each_in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& work);

}  // namespace safer
