#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "criteria/rank_layers.h"
#include "tools/report.h"

namespace safer::commands {

/// How the criterion went about it, where that can be chosen: names and values of what it read of path, steps, draws, noise, masks.
std::vector<std::pair<std::string, std::string>> settings(const RankReport& report);

/// A ranking for people: what was used, the layers by rank with a bar each (ties as "2=", failures last, as "failed"), and which
/// neighbours' order is uncertain.
void print_ranking(std::ostream& out, const RankReport& report);

/// One ranking for programs: numbers in full, layers in the order in which the network first uses them.
Json ranking_json(const RankReport& report);

/// All rankings as one table: a line a layer.
void print_rankings_csv(std::ostream& out, std::span<const RankReport> reports);

}  // namespace safer::commands
