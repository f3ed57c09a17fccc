#include "models/model_spec.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "engine/error.h"
#include "models/data/moons.h"
#include "models/formats/safetensors.h"
#include "models/image_networks.h"
#include "models/initialization.h"
#include "models/moons_spec.h"
#include "models/onnx/import.h"
#include "models/spec.h"

namespace safer {
namespace {

constexpr std::int64_t training_points = 2000;
constexpr double training_noise = 0.1;

bool is_onnx(std::string_view model) { return model.ends_with(".onnx"); }

std::string_view name_of(std::string_view model) { return take_until(':', model); }

/// The usual network of images called so; nullptr for a moons network. Throws Error for any other name.
const ImageNetwork* find_image_network(std::string_view model) {
  const std::string_view name = name_of(model);
  if (trains_itself(model)) return nullptr;
  const auto found = std::ranges::find(image_networks(), name, &ImageNetwork::name);
  if (found != image_networks().end()) return &*found;
  throw Error("unknown model '{}'; choose a file ending in .onnx or one of: {}", name, fmt::join(model_names(), ", "));
}

/// The seed of an image network's initial weights.
std::uint64_t seed_of(std::string_view model) {
  constexpr std::array<std::string_view, 1> keys = {"seed"};
  std::string_view rest = model;
  take_until(':', rest);
  return SpecOptions(fmt::format("model '{}'", model), rest, keys)
      .number<std::uint64_t>("seed", "a number from 0 to 2^64-1")
      .value_or(1);
}

std::string origins(std::string_view name) {
  std::vector<std::string_view> all;
  for (const ImageNetwork& network : image_networks())
    if (network.name == name) all.push_back(network.origin);
  return fmt::format("{}", fmt::join(all, ", or of "));
}

Network load(std::string_view model, const std::filesystem::path& path) {
  const ImageNetwork* image = find_image_network(model);
  if (image) seed_of(model);  // for its errors: the weights come from the file
  Safetensors file = read_safetensors(path);
  const auto said = file.metadata.find(std::string(model_key));
  if (said != file.metadata.end() && name_of(said->second) != name_of(model))
    throw Error("{}: these are weights of '{}', which differs from '{}' in its name", path.string(), said->second, model);
  if (!image) return load_moons(model, file, path.string());
  Network network = load_image_network(image->name, std::move(file), path.string());
  network.metadata = {{std::string(model_key), network.name}};
  return network;
}

}  // namespace

std::span<const std::string_view> model_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all(moons_names.begin(), moons_names.end());
    for (const ImageNetwork& network : image_networks())
      if (all.back() != network.name) all.push_back(network.name);
    return all;
  }();
  return names;
}

bool trains_itself(std::string_view model) { return std::ranges::find(moons_names, name_of(model)) != moons_names.end(); }

Network record_model(std::string_view model) {
  if (is_onnx(model)) return load_onnx(model);
  const ImageNetwork* image = find_image_network(model);
  if (!image) return record_moons_network(parse_moons(model));
  seed_of(model);  // for its errors: no weights are drawn
  return record_image_network(*image);
}

Network untrained_model(std::string_view model) {
  if (is_onnx(model)) throw Error("{}: an ONNX file brings its weights; only built-in networks start without", model);
  const ImageNetwork* image = find_image_network(model);
  if (!image) return untrained_moons(parse_moons(model));
  const std::uint64_t seed = seed_of(model);
  Network network = record_image_network(*image);
  network.parameters = Parameters(network.tape.parameters());
  initialize(network.parameters, Initialization::he_normal, seed);
  network.metadata = {{std::string(model_key), network.name}};
  return network;
}

Network load_model(std::string_view model, const std::optional<std::filesystem::path>& weights,
                   const std::function<void(const TrainProgress&)>& progress) {
  if (is_onnx(model)) {
    if (weights) throw Error("{}: an ONNX file brings its weights; leave {} out", model, weights->string());
    return load_onnx(model);
  }
  if (weights) return load(model, *weights);
  if (const ImageNetwork* image = find_image_network(model))
    throw Error("{}: only moons networks train themselves; give --weights FILE.safetensors with the parameter names of {}",
                image->name, origins(image->name));
  const MoonsOptions options = parse_moons(model);
  Network network = untrained_moons(options);
  train(network, make_moons(training_points, training_noise, 0), {.seed = options.seed, .progress = progress});
  return network;
}

void save_model(const Network& network, const std::filesystem::path& path) {
  save_parameters(path, network.parameters, network.metadata);
}

}  // namespace safer
