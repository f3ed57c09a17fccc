#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "models/network.h"
#include "models/training.h"

namespace safer {

/// The MODEL of a command without one.
constexpr std::string_view default_model = "moons-vanilla";

/// A network as named on the command line: a file that ends in .onnx (models/onnx/import.h), or a built-in network,
/// NAME[:key=value,...]. The keys of moons networks are in models/moons_spec.h; networks of images (models/image_networks.h) have
/// seed=N, of the initial weights. The functions below throw Error, naming what there is, for an unknown name, key or value, and
/// for an ONNX file as load_onnx says, or where other weights than its own are asked for.
///
/// The names of the built-in ones.
std::span<const std::string_view> model_names();

/// Whether this is a network that load_model() trains when it is given no weights.
bool trains_itself(std::string_view model);
/// The program alone, with an empty set of parameters.
Network record_model(std::string_view model);
/// The network with initial weights.
Network untrained_model(std::string_view model);
/// The network with the weights in `weights`. Without a file, a moons network is trained on the spot on the points of
/// "moons:n=2000,noise=0.1,seed=0" (a fraction of a second). Throws Error when file and `model` disagree, naming the key or the
/// tensor, and for networks of images without a file, saying whose weights there are.
Network load_model(std::string_view model, const std::optional<std::filesystem::path>& weights = std::nullopt,
                   const std::function<void(const TrainProgress&)>& progress = nullptr);
/// Writes the weights as safetensors, with the metadata that load_model() needs.
void save_model(const Network& network, const std::filesystem::path& path);

}  // namespace safer
