#pragma once

#include <string>

#include "models/onnx/model.h"
#include "models/onnx/value.h"

namespace safer::onnx {

/// What has been imported so far, for those who look at a node together with what it reads.
class GraphView {
 public:
  virtual ~GraphView() = default;
  /// The node that computes a value; nullptr for inputs and initializers.
  virtual const Node* producer(const std::string& name) const = 0;
  /// nullptr when it is not there (yet).
  virtual const Value* value(const std::string& name) const = 0;
};

}  // namespace safer::onnx
