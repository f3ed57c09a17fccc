#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/initialization.h"
#include "models/network.h"

namespace safer {

/// The four families of small classifiers of points in the plane on which criteria are judged (SAfER, section 3.1). All have two
/// logits. d is the width, B the depth:
///   vanilla      `depth` dense layers with ReLU, each with its own width
///   skip         a stem to width d, then blocks h <- h + relu(W h + b)
///   skip_sd      the same, where in training block i of B survives with probability 1 - i / 2B (Huang et al. 2016, but drawn
///                for each sample, which small batches and few steps need)
///   transformer  each coordinate is a token of width d with a learned position; pre-norm blocks of 4-head attention and a
///                GELU layer of width 2d; mean over the tokens
enum class MoonsFamily { vanilla, skip, skip_sd, transformer };
constexpr std::array<std::string_view, 4> moons_names = {"moons-vanilla", "moons-skip", "moons-skip-sd", "moons-transformer"};

struct MoonsOptions {
  MoonsFamily family = MoonsFamily::vanilla;
  std::int64_t depth = 4;                 // hidden layers or blocks, at least 1
  std::vector<std::int64_t> widths = {};  // one for all layers, or (vanilla only) one a layer; none: the family's default
  int block_layers = 1;                   // skip families: dense layers of a block's branch, 1 or 2
  Initialization initialization = Initialization::he_normal;
  std::uint64_t seed = 1;
  bool operator==(const MoonsOptions&) const = default;
};

constexpr std::int64_t moons_heads = 4;
std::int64_t default_width(MoonsFamily family);
/// The width of each layer (vanilla), or the one of all blocks. Throws Error for sizes that the network cannot have.
std::vector<std::int64_t> moons_widths(const MoonsOptions& options);

/// The program alone, with an empty set of parameters. Throws as moons_widths.
Network record_moons_network(const MoonsOptions& options);
/// The untrained network.
Network make_moons_network(const MoonsOptions& options);

}  // namespace safer
