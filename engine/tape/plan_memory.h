#pragma once

#include <cstdint>
#include <vector>

namespace safer {

/// A piece of memory and the steps of a program during which it is in use (both ends included).
struct Lifetime {
  std::int64_t lines = 0;  // size in cache lines
  int first = 0, last = -1;
  std::int64_t at = 0;  // the answer: its offset in cache lines
};

/// Places pieces so that no two that are in use at the same step overlap; returns the lines needed in all. First fit in order of
/// first use, which keeps the memory of a chain of layers close to its largest pair.
std::int64_t place(std::vector<Lifetime>& pieces);

}  // namespace safer
