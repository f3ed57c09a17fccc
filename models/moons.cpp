#include "models/moons.h"

#include <fmt/ranges.h>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/random_ops.h"
#include "engine/ops/reduce.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

constexpr std::int64_t coordinates = 2, classes = 2, most_layers = 100, widest = 1024;
constexpr double last_survival = 0.5;  // of the last block of skip_sd

Var vanilla(Var x, std::span<const std::int64_t> widths) {
  for (std::size_t i = 0; i < widths.size(); ++i) x = relu(linear_layer(x, fmt::format("layers.{}", i), widths[i]));
  return linear_layer(x, "head", classes);
}

Var skip(Var x, const MoonsOptions& options, std::int64_t d) {
  Var h = linear_layer(x, "stem", d);
  for (std::int64_t i = 1; i <= options.depth; ++i) {
    const auto scope = x.tape().scope(fmt::format("blocks.{}", i - 1));
    Var branch = h;
    for (int layer = 0; layer < options.block_layers; ++layer)
      branch = relu(linear_layer(branch, fmt::format("dense{}", layer + 1), d));
    if (options.family == MoonsFamily::skip_sd) {
      const double way = static_cast<double>(i) / static_cast<double>(options.depth);
      branch = stochastic_depth(branch, 1 - way * (1 - last_survival), /*per_sample=*/true);
    }
    h = h + branch;
  }
  return linear_layer(h, "head", classes);
}

/// Each sample owns a row a token: x: [N, 2] -> tokens [N, 2, d].
Var transformer(Var x, std::int64_t depth, std::int64_t d) {
  Tape& tape = x.tape();
  Var h = linear_layer(reshape(x, {1, coordinates, 1}), "embed", d);
  h = h + tape.parameter({.name = "positions", .shape = {coordinates, d}, .role = Role::embedding});
  for (std::int64_t i = 0; i < depth; ++i) {
    const auto scope = tape.scope(fmt::format("blocks.{}", i));
    const Var n = layer_norm_layer(h, "norm1");
    const Var q = linear_layer(n, "attention.q", d), k = linear_layer(n, "attention.k", d), v = linear_layer(n, "attention.v", d);
    h = h + linear_layer(attention(q, k, v, {.heads = moons_heads}), "attention.out", d);
    h = h + linear_layer(gelu(linear_layer(layer_norm_layer(h, "norm2"), "mlp.fc1", 2 * d)), "mlp.fc2", d);
  }
  return linear_layer(mean(h, {1}), "head", classes);
}

}  // namespace

std::int64_t default_width(MoonsFamily family) { return family == MoonsFamily::transformer ? 16 : 32; }

std::vector<std::int64_t> moons_widths(const MoonsOptions& options) {
  const std::string_view name = moons_names[static_cast<std::size_t>(options.family)];
  if (options.depth < 1 || options.depth > most_layers)
    throw Error("{}: depth {}; expected 1 to {}", name, options.depth, most_layers);
  if (options.block_layers != 1 && options.block_layers != 2)
    throw Error("{}: {} dense layers a block; expected 1 or 2", name, options.block_layers);
  std::vector<std::int64_t> widths = options.widths;
  if (widths.empty()) widths = {default_width(options.family)};
  const bool vanilla = options.family == MoonsFamily::vanilla;
  if (widths.size() != 1 && !(vanilla && widths.size() == static_cast<std::size_t>(options.depth)))
    throw Error("{}: {} widths ({}) for depth {}; expected {}", name, widths.size(), fmt::join(widths, ", "), options.depth,
                vanilla ? "one, or one a layer" : "one, because all blocks share it");
  for (const std::int64_t width : widths) {
    if (width < 1 || width > widest) throw Error("{}: width {}; expected 1 to {}", name, width, widest);
    if (options.family == MoonsFamily::transformer && width % moons_heads != 0)
      throw Error("{}: width {}; expected a multiple of its {} heads", name, width, moons_heads);
  }
  if (vanilla) widths.resize(static_cast<std::size_t>(options.depth), widths.back());
  return widths;
}

Network record_moons_network(const MoonsOptions& options) {
  Network network{.name = std::string(moons_names[static_cast<std::size_t>(options.family)])};
  const std::vector<std::int64_t> widths = moons_widths(options);
  const Var x = network.tape.input("x", {coordinates});
  Var logits;
  switch (options.family) {
    case MoonsFamily::vanilla: logits = vanilla(x, widths); break;
    case MoonsFamily::skip:
    case MoonsFamily::skip_sd: logits = skip(x, options, widths.front()); break;
    case MoonsFamily::transformer: logits = transformer(x, options.depth, widths.front()); break;
  }
  network.input = x.id();
  network.logits = logits.id();
  return network;
}

Network make_moons_network(const MoonsOptions& options) {
  Network network = record_moons_network(options);
  network.parameters = Parameters(network.tape.parameters());
  initialize(network.parameters, options.initialization, options.seed);
  return network;
}

}  // namespace safer
