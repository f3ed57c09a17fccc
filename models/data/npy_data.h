#pragma once

#include <filesystem>
#include <optional>

#include "models/data/dataset.h"

namespace safer {

/// Inputs [n, sample...] of any element type, converted to f32, and labels [n] or [n, 1]: integers, or floats without a fraction.
/// There are as many classes as the largest label says. Throws Error when the first is NaN, infinite or too large for f32 (naming
/// the sample), a label is negative, there are no samples, or not as many labels.
Dataset load_npy_data(const std::filesystem::path& inputs, const std::optional<std::filesystem::path>& labels);

}  // namespace safer
