#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/tape/tape.h"

namespace safer {

/// Whole numbers `least` to `most` that stand for reals: q for (q - zero_point) scale.
struct QuantizationGrid {
  std::vector<float> scale = {1};              // one for all, or one for each place along an axis
  std::vector<std::int64_t> zero_point = {0};  // as many
  std::int64_t least = -128, most = 127;
  int axis = 1;  // of x, along which several scales lie

  bool operator==(const QuantizationGrid&) const = default;
};

/// What is left of x when it is kept as whole numbers: q = round(x / scale) + zero_point, to the even one in the middle between
/// two, limited to least .. most;  y = (q - zero_point) scale. The derivative is 1 where q needed no limit and 0 elsewhere (the
/// straight-through estimator, Bengio, Leonard & Courville 2013). y has the type of x. Throws Error when the grid makes no sense or
/// its scales do not lie along an axis of x within a sample.
Var fake_quantize(Var x, QuantizationGrid grid, std::string_view name = {});

}  // namespace safer
