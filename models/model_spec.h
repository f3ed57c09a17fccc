#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "models/moons.h"
#include "models/training.h"

namespace safer {

/// The MODEL of a command without one.
constexpr std::string_view default_model = "moons-vanilla";

/// A built-in network as named on the command line: NAME[:key=value,...] with the keys
///   depth=N   hidden layers or blocks
///   width=N   of all layers, or width=N-N-... one a layer (moons-vanilla)
///   layers=N  dense layers of a block's branch, 1 or 2 (moons-skip, moons-skip-sd)
///   init=he|glorot
///   seed=N    of the initial weights and of training
/// Throws Error, naming what there is, for an unknown name, key or value, and for ONNX files, which this version does not read.
MoonsOptions parse_model(std::string_view model);
/// The names that parse_model() knows.
std::span<const std::string_view> model_names();
/// The inverse: every key written out. It is what a file of weights says about its network, under "model".
std::string model_text(const MoonsOptions& options);

/// The network with initial weights.
Network untrained_model(std::string_view model);
/// The network with the weights in `weights`, or, without a file, trained on the spot on moons data, whose points are those of
/// "moons:n=2000,noise=0.1,seed=0" (a fraction of a second). The sizes that `model` leaves out are taken from the file. Throws
/// Error when file and `model` disagree, naming the key or the tensor.
Network load_model(std::string_view model, const std::optional<std::filesystem::path>& weights = std::nullopt,
                   const std::function<void(const TrainProgress&)>& progress = nullptr);
/// Writes the weights as safetensors, with the metadata that load_model() needs.
void save_model(const Network& network, const std::filesystem::path& path);

}  // namespace safer
