#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/shape.h"

namespace safer::test {

struct GoldenTensor {
  Shape shape;
  std::vector<double> values;
};

/// The tensors that golden/make_golden.py wrote, by name.
const std::map<std::string, GoldenTensor>& golden_tensors();

}  // namespace safer::test
