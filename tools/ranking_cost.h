#pragma once

#include <cstdint>
#include <string>

#include "criteria/rank_layers.h"
#include "models/data/dataset.h"
#include "models/network.h"

namespace safer::commands {

/// Seconds that one sample takes forwards and backwards, measured with a few of them; 0 where it cannot be measured.
double pass_seconds(const Network& network, const Dataset& calibration, const RankOptions& options);

/// A line that says what a ranking will take at most where that is more than a minute, which criterion takes the longest of
/// several, and what moving all layers at once would take in place of one after the other. Empty for a shorter one.
std::string cost_remark(const Network& network, const RankOptions& options, std::int64_t samples, double pass_seconds);

}  // namespace safer::commands
