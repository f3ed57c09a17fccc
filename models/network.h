#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "engine/tape/tape.h"
#include "models/data/pixels.h"

namespace safer {

/// A classifier: its program and its weights. Copies share the weights until one of them is changed.
struct Network {
  std::string name;  // "moons-vanilla"
  Tape tape = {};
  ValueId input = no_value;   // [N, sample...]
  ValueId logits = no_value;  // [N, classes]
  Parameters parameters = {};
  std::map<std::string, std::string> metadata = {};  // what a file of its weights must say so that the network can be built again
  PixelScaling pixels = {};                          // what it reads in place of the pixels of images

  const Shape& sample_shape() const { return tape.node(input).type.shape; }  // of one sample, with a leading 1: [1, 3, 32, 32]
  std::int64_t classes() const { return tape.node(logits).type.shape[1]; }
};

}  // namespace safer
