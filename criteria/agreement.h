#pragma once

#include "criteria/ranking.h"

namespace safer {

/// How far a ranking agrees with a reference one (the truth) of the same items. Nothing rewards a failed item (NaN score): no pair
/// that it is part of counts as right, and it is nowhere near the top. Kendall 1938, 1945 (tau-b); Spearman 1904.
struct Agreement {
  bool exact = false;   // the same complete order: no failure, and tied where, and only where, the truth is tied
  double tau_b = 0;     // Kendall's; pairs with a failed item are discordant. 0 where it is 0/0: a side without any order
  double spearman = 0;  // of midranks; a failed item stands at that end which is farther from its true place. 0 for 0/0
  double pairwise = 0;  // of the pairs that the truth orders, the share that is ordered likewise; ties count half. 1 without pairs
  double tied = 0;      // share of all pairs that are tied here (whether or not the truth ties them)
  int failures = 0;     // items
};

/// Throws Error when the sizes differ, there are less than two items, or the truth has failures.
Agreement agreement(const Ranking& ranking, const Ranking& truth);

/// The share of the truth's k most important items that are among the k most important here, 0..1; where a tie crosses the k-th
/// place, the expectation over breaking it at random. Throws Error as above and when k is not in 1..size.
double top_overlap(const Ranking& ranking, const Ranking& truth, int k);

}  // namespace safer
