#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "criteria/testbed/database/build.h"

namespace safer {

struct ScoreOptions {
  std::vector<std::string> presets = {"paper", "recommended"};
  /// Called now and then, by one thread at a time: networks done of all that had scores missing.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct ScoreResult {
  std::int64_t scored = 0, complete = 0;  // networks that got scores now, and that had all of them
};

/// What knows the noise that it is to predict, and stands among the criteria without a preset; its "reduction" is the kind of
/// damage.
///   monte-carlo   replays: the damage measured by 8 draws of every layer and level on the calibration samples, unlabelled
///   linear        the formulas of linearised.h on the same samples: noise on weights, logits and probabilities
///   reparametrised  those of reparametrised.h, 4 replays a level: noise on weights
constexpr std::string_view monte_carlo = "monte-carlo", linear_formula = "linear", reparametrised = "reparametrised";
/// A transformer's many layers are replayed a quarter as often.
constexpr int monte_carlo_draws = 8, reparametrised_draws = 4;

/// Scores all layers of all networks by every criterion and reduction of the presets, and by what knows the noise, as far
/// as the file does not have them: criteria that came later are added. One transaction a network, as build(). Throws Error as it.
ScoreResult score(Database& database, const ScoreOptions& options = {});

/// What gave some scores; `noise` and `place` are empty for what knows neither.
struct RankerName {
  std::string preset, criterion, reduction, noise, place;
};
std::int64_t find_ranker(Database& database, const RankerName& name);  // -1 when there is none

/// The networks that are measured and ranked, by id.
std::vector<Specimen> used_specimens(Database& database, const Recipe& recipe);

}  // namespace safer
