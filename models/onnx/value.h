#pragma once

#include <memory>

#include "engine/ops/quantize.h"
#include "engine/tape/tape.h"
#include "models/onnx/known.h"

namespace safer::onnx {

/// What a name of the graph stands for while it is imported: a tensor known beforehand, or a value on the tape.
///
/// The file may see several axes of a value on the tape as one, where the batch lies within them: for x [T, N, d] on the tape it
/// has the matrix [T N, d], which no ValueType describes. `merged` says how many leading axes of `var` that are.
struct Value {
  std::shared_ptr<const Known> known;
  Var var;
  int merged = 1;
  /// Not nullptr: the file has whole numbers here, of which `var` holds the reals that they stand for.
  std::shared_ptr<const QuantizationGrid> quantized = nullptr;
};

/// The shape that the file sees, its sizes as value + batch * N.
Known shape_of(const Value& value);

}  // namespace safer::onnx
