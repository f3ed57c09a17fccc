#pragma once

#include <span>
#include <vector>

namespace safer {

/// The order of some scores: rank 1 is the largest, equal scores share a rank and the ranks after them are skipped ("1 2 2 4").
/// NaN and infinite scores are failures: never compared, they share the rank after all others.
struct Ranking {
  std::vector<int> rank;     // by item
  std::vector<bool> tied;    // by item: shares its rank with another item that did not fail
  std::vector<bool> failed;  // by item

  std::size_t size() const { return rank.size(); }
  int failures() const;
  /// The items that share a rank, by ascending rank and item; two or more each, without failures.
  std::vector<std::vector<int>> ties() const;
};

/// Ranks the items with these scores.
Ranking rank(std::span<const double> scores);

}  // namespace safer
