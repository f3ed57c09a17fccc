#pragma once

#include <cstdint>

#include "models/data/dataset.h"

namespace safer {

/// Two interleaving half circles of `n` points [n, 2] with labels 0 (outer, n/2 points) and 1 (inner), as scikit-learn's make_moons
/// defines them: evenly spaced on the arcs, shuffled, then normal noise of standard deviation `noise` on every coordinate. The
/// splits of one seed are drawn independently of each other, so no point of one is in another (without noise all lie on the
/// same arcs). Throws Error unless n is 1 to 100 million and noise is finite and not negative.
Dataset make_moons(std::int64_t n, double noise, std::uint64_t seed, Split split = Split::training);

}  // namespace safer
