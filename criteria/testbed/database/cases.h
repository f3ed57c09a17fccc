#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "criteria/testbed/database/recipe.h"

namespace safer {

/// The layers of a network as they are ranked: each by itself, or as the blocks that they are part of. A block's score is the
/// largest of its layers', and not a number where one of them is not.
struct Units {
  std::vector<std::size_t> of_layer;  // the unit of each layer
  std::size_t count = 0;
  std::vector<double> weights;  // number of them, by unit

  std::vector<double> scores(const std::vector<double>& by_layer) const;
  /// Unit a is settled above unit b when one of its layers is above all of b's: then so is its largest.
  PartialOrder order(const PartialOrder& of_layers) const;
};

/// One network under one condition: what was measured.
struct Case {
  std::int64_t network = 0;
  MoonsFamily family = MoonsFamily::vanilla;
  Condition condition = {};
  Units units = {};
  std::vector<double> truth = {}, again = {};  // damage by unit: the truth, and the independent second measurement
  PartialOrder order = {};                     // that the first one settled
};

/// All of a file, by family, condition and network.
std::vector<Case> read_cases(Database& database, Damage damage, bool blocks);

/// The scores of one ranker for a case; empty when there are none.
class ScoreReader {
 public:
  explicit ScoreReader(Database& database);
  std::vector<double> read(const Case& of, std::int64_t ranker);

 private:
  Statement rows_;
};

}  // namespace safer
