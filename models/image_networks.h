#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "models/data/pixels.h"
#include "models/formats/safetensors.h"
#include "models/network.h"

namespace safer {

/// A built-in network of images [N, 3, size, size].
struct ImageNetwork {
  std::string_view name;  // that commands know it by
  std::int64_t size;
  PixelScaling pixels;      // that its weights were trained with
  Var (*record)(Var x);     // returns the logits
  std::string_view origin;  // whose weights have these names and shapes
};

/// All of them. A name may come twice, for weights that others named or laid out differently; the first is the usual one.
std::span<const ImageNetwork> image_networks();

/// The program, with an empty set of parameters.
Network record_image_network(const ImageNetwork& network);
/// The network called `name` with the weights in `file`: the one of this name most of whose parameters the file has. Counters of
/// training steps, which PyTorch keeps beside its batch norms, may be there too. Throws Error as load_parameters.
Network load_image_network(std::string_view name, Safetensors file, std::string_view file_name);

}  // namespace safer
