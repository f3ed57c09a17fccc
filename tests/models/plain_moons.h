#pragma once

#include <string>
#include <vector>

#include "models/moons.h"

namespace safer::test {

/// The logits of one point by plain loops in double precision, straight from the definition of the family.
std::vector<double> plain_logits(const Network& network, const MoonsOptions& options, double x0, double x1);

}  // namespace safer::test
