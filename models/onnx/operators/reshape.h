#pragma once

#include <cstdint>
#include <vector>

#include "models/onnx/value.h"

namespace safer::onnx {

/// A size that may vary with the batch: fixed + free * N.
struct Size {
  std::int64_t fixed = 0, free = 0;
};

/// The sizes of all axes that the file sees.
std::vector<Size> sizes_of(const Value& value);
/// The elements of a known vector of sizes.
std::vector<Size> sizes_of(const Known& known, std::string_view what);

/// The same elements with other sizes, one of which may be -1, for what is left. Where `baked`, sizes were written for a batch of
/// 1, so that one of them may lack its N. Throws Error when they do not fit, or would split or mix samples.
Value reshaped(const Value& x, const std::vector<Size>& sizes, bool baked);

}  // namespace safer::onnx
