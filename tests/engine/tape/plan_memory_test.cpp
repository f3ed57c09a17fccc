#include "engine/tape/plan_memory.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/random.h"

using namespace safer;

TEST_CASE("plan memory: pieces alive together do not overlap, and a chain reuses memory") {
  // A chain of equal layers: value t is written at t and last read at t + 1.
  std::vector<Lifetime> chain;
  for (int t = 0; t < 20; ++t) chain.push_back({.lines = 4, .first = t, .last = t + 1});
  CHECK(place(chain) == 8);
}

TEST_CASE("plan memory: pieces without size or use take no place") {
  std::vector<Lifetime> pieces = {
      {.lines = 0, .first = 0, .last = 5}, {.lines = 7, .first = 3, .last = -1}, {.lines = 2, .first = 0, .last = 0}};
  CHECK(place(pieces) == 2);
}

TEST_CASE("plan memory: random pieces never overlap, and need no more than all of them and no less than the fullest step") {
  Random random(11);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> pieces;
    for (std::uint64_t i = random.below(30); i-- > 0;) {
      const int first = static_cast<int>(random.below(40));
      pieces.push_back({static_cast<std::int64_t>(random.below(9)), first, first + static_cast<int>(random.below(10))});
    }
    const std::int64_t needed = place(pieces);
    std::int64_t total = 0, fullest = 0;
    for (int step = 0; step < 60; ++step) {
      std::int64_t alive = 0;
      for (const Lifetime& piece : pieces)
        if (piece.first <= step && step <= piece.last) alive += piece.lines;
      fullest = std::max(fullest, alive);
    }
    for (std::size_t a = 0; a < pieces.size(); ++a) {
      total += pieces[a].lines;
      if (pieces[a].lines == 0) continue;
      CHECK(pieces[a].at >= 0);
      CHECK(pieces[a].at + pieces[a].lines <= needed);
      for (std::size_t b = 0; b < a; ++b) {
        const bool together = pieces[a].first <= pieces[b].last && pieces[b].first <= pieces[a].last;
        const bool overlap = pieces[a].at < pieces[b].at + pieces[b].lines && pieces[b].at < pieces[a].at + pieces[a].lines;
        CHECK_FALSE((together && overlap && pieces[b].lines > 0));
      }
    }
    CHECK(needed <= total);
    CHECK(needed >= fullest);
  }
}
