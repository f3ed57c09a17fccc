#pragma once

#include "models/network.h"

namespace safer::onnx {

/// The network without the values that its logits do not depend on.
Network without_dead_values(const Network& network);

}  // namespace safer::onnx
