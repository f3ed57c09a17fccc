#pragma once

#include <string>
#include <vector>

#include "engine/tape/tape.h"

namespace safer {

/// What a program computes at once: an op, and the ops after it that its kernel applies before it stores a result,
///   value = activation(norm(op) + residual), each part where there is one.
struct ForwardStep {
  ValueId op = no_value;          // whose forward() runs
  ValueId norm = no_value;        // the op whose scale and shift are folded into weight and bias (engine/tape/folding.h)
  ValueId sum = no_value;         // the op that adds the residual
  ValueId residual = no_value;    // its other operand, of the same type
  ValueId activation = no_value;  // the op that is applied last
  ValueId value = no_value;       // what comes out: the value of the last of these ops
};

/// Orders the `computed` op nodes into steps. Ops are fused where the first of them accepts an epilogue and each value in between
/// is read once and not `visible`: nobody else will ask for it, so that it need not exist. A fused step stands where its first op
/// stood, and a residual that is not there by then is not fused. So nothing lives longer than it does without fusion. A norm is
/// folded where all that it is folded into and made from are parameters and constants.
std::vector<ForwardStep> forward_steps(const Tape& tape, const std::vector<bool>& computed, const std::vector<bool>& visible,
                                       Mode mode);

/// All values that a step reads: the inputs of its op, those of the norm, the residual.
std::vector<ValueId> inputs_of(const Tape& tape, const ForwardStep& step);

/// The names of a step's ops: "conv1 + bn1 + add + relu".
std::string text(const Tape& tape, const ForwardStep& step);

}  // namespace safer
