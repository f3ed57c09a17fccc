#pragma once

#include <vector>

#include "engine/tape/tape.h"

/// Reductions over the given axes (-1: the last), which disappear, or stay with size 1 when `keep_axes`. All throw Error when an
/// axis is out of range or named twice, or none is given, or x holds indices.
namespace safer {

/// Over the batch axis too: then the result has no batch axis, and there are no per-sample gradients. Throws Error for a batch axis
/// of which each sample owns several rows.
Var sum(Var x, std::vector<std::int64_t> axes, bool keep_axes = false);
Var mean(Var x, std::vector<std::int64_t> axes, bool keep_axes = false);
/// NaN where there is one. The gradient goes to the first of equal elements. Throws Error for the batch axis and for empty axes.
Var max(Var x, std::vector<std::int64_t> axes, bool keep_axes = false);

}  // namespace safer
