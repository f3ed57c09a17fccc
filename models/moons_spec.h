#pragma once

#include <string>
#include <string_view>

#include "models/formats/safetensors.h"
#include "models/moons.h"

namespace safer {

/// A moons network as named on the command line: NAME[:key=value,...] with the keys
///   depth=N   hidden layers or blocks
///   width=N   of all layers, or width=N-N-... one a layer (moons-vanilla)
///   layers=N  dense layers of a block's branch, 1 or 2 (moons-skip, moons-skip-sd)
///   init=he|glorot
///   seed=N    of the initial weights and of training
/// Throws Error, naming what there is, for an unknown name, key or value.
MoonsOptions parse_moons(std::string_view model);
/// The inverse: every key written out. It is what a file of weights says about its network, under model_key.
std::string moons_text(const MoonsOptions& options);
constexpr std::string_view model_key = "model";

/// The network with initial weights.
Network untrained_moons(const MoonsOptions& options);
/// The network with the weights in `file`; the sizes that `model` leaves out are taken from the file. Throws Error when they
/// disagree, naming the key or the tensor.
Network load_moons(std::string_view model, const Safetensors& file, std::string_view file_name);

}  // namespace safer
