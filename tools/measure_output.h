#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "criteria/agreement.h"
#include "criteria/rank_layers.h"
#include "criteria/testbed/measure.h"
#include "tools/report.h"

namespace safer::commands {

/// A criterion's ranking beside the measured one. Without a measured order (a single layer, or damage that is not a number) there
/// is no agreement.
struct Comparison {
  RankReport ranking;
  Ranking ranks;
  std::optional<Agreement> agreement;
  bool allowed = false;  // the ranking orders all settled pairs as they were measured
};
Comparison compare(const RankReport& ranking, const Measurement& truth, Damage ranked_by);

/// What `safer measure` prints.
struct MeasureReport {
  std::string model = {}, data = {};
  MeasureOptions options = {};
  Measurement measurement = {};
  std::vector<Comparison> comparisons = {};
};

void print_measurement(std::ostream& out, const MeasureReport& report);
Json measurement_json(const MeasureReport& report);
/// A line a layer, with its rank by every criterion.
void print_measurement_csv(std::ostream& out, const MeasureReport& report);

}  // namespace safer::commands
