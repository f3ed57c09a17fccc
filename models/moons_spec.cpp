#include "models/moons_spec.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/error.h"
#include "models/spec.h"

namespace safer {
namespace {

constexpr std::array<std::string_view, 2> initialization_names = {"he", "glorot"};  // by Initialization

bool has_blocks(MoonsFamily family) { return family == MoonsFamily::skip || family == MoonsFamily::skip_sd; }

MoonsFamily find_family(std::string_view name) {
  const auto found = std::ranges::find(moons_names, name);
  if (found == moons_names.end())
    throw Error("unknown network of moons '{}'; choose one of: {}", name, fmt::join(moons_names, ", "));
  return static_cast<MoonsFamily>(found - moons_names.begin());
}

/// `options` with what `model` says put over it.
MoonsOptions merge(std::string_view model, MoonsOptions options) {
  std::string_view rest = model;
  options.family = find_family(take_until(':', rest));
  std::vector<std::string_view> keys = {"depth", "width", "init", "seed"};
  if (has_blocks(options.family)) keys.push_back("layers");
  const SpecOptions given(fmt::format("model '{}'", model), rest, keys);
  options.depth = given.number<std::int64_t>("depth", "a number of layers").value_or(options.depth);
  options.seed = given.number<std::uint64_t>("seed", "a number from 0 to 2^64-1").value_or(options.seed);
  options.block_layers = given.number<int>("layers", "1 or 2").value_or(options.block_layers);
  if (const auto widths = given.numbers("width", "a number, or one a layer with '-' between them"); !widths.empty())
    options.widths = widths;
  if (const auto name = given.text("init")) {
    const auto found = std::ranges::find(initialization_names, *name);
    if (found == initialization_names.end()) given.fail("init", *name, "he or glorot");
    options.initialization = static_cast<Initialization>(found - initialization_names.begin());
  }
  return options;
}

Metadata metadata_of(const MoonsOptions& options) { return {{std::string(model_key), moons_text(options)}}; }

/// What the file says about its network, with `model` put over it; they must agree on the sizes.
MoonsOptions options_for(std::string_view model, std::string_view file_name, const Metadata& metadata) {
  const auto found = metadata.find(std::string(model_key));
  if (found == metadata.end()) return parse_moons(model);
  const MoonsOptions in_file = [&] {
    try {
      return parse_moons(found->second);
    } catch (const Error& error) {
      throw Error("{}: metadata '{}': {}", file_name, model_key, error.what());
    }
  }();
  const MoonsOptions wanted = merge(model, in_file);
  const auto must_agree = [&](bool agree, std::string_view what) {
    if (!agree) throw Error("{}: these are weights of '{}', which differs from '{}' in {}", file_name, found->second, model, what);
  };
  must_agree(wanted.depth == in_file.depth, "depth");
  must_agree(wanted.block_layers == in_file.block_layers, "layers");
  must_agree(moons_widths(wanted) == moons_widths(in_file), "width");
  return wanted;
}

}  // namespace

MoonsOptions parse_moons(std::string_view model) { return merge(model, {}); }

std::string moons_text(const MoonsOptions& options) {
  const std::size_t family = static_cast<std::size_t>(options.family);
  const std::vector<std::int64_t> widths = options.widths.empty() ? std::vector{default_width(options.family)} : options.widths;
  return fmt::format("{}:depth={},width={}{},init={},seed={}", moons_names[family], options.depth, fmt::join(widths, "-"),
                     has_blocks(options.family) ? fmt::format(",layers={}", options.block_layers) : "",
                     initialization_names[static_cast<std::size_t>(options.initialization)], options.seed);
}

Network untrained_moons(const MoonsOptions& options) {
  Network network = make_moons_network(options);
  network.metadata = metadata_of(options);
  return network;
}

Network load_moons(std::string_view model, const Safetensors& file, std::string_view file_name) {
  const MoonsOptions options = options_for(model, file_name, file.metadata);
  Network network = record_moons_network(options);
  network.metadata = metadata_of(options);
  // The sizes may come from the file: it must be as large as what is allocated for it.
  std::int64_t needed = 0, held = 0;
  for (int id = 0; id < network.tape.parameters()->size(); ++id) needed += (*network.tape.parameters())[id].shape.size();
  for (const NamedTensor& tensor : file.tensors) held += tensor.value.size();
  if (needed > held)
    throw Error("{}: {} numbers, '{}' has {} parameters; give the network's own depth and width", file_name, held,
                moons_text(options), needed);
  network.parameters = Parameters(network.tape.parameters());
  load_parameters(file, file_name, network.parameters);
  return network;
}

}  // namespace safer
