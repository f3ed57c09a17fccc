#pragma once

#include <iosfwd>
#include <string>

#include "models/data/data_spec.h"
#include "models/network.h"
#include "tools/arguments.h"

namespace safer::commands {

// MODEL, --weights and --data: what a command works on.

inline constexpr Option weights_option = {"weights", "FILE.safetensors",
                                          "weights of a built-in network; without them it trains itself on the spot"};
inline constexpr Option data_option = {"data", "DATA", "what the network reads (see below)"};

/// What MODEL and DATA may be, for the help.
std::string input_help();

/// MODEL, or the default network where it was left out.
std::string model_argument(const Arguments& given);

/// The network, with the weights of --weights or trained on the spot.
Network load_network(const Arguments& given, const Common& common, std::ostream& log);

/// The samples of --data. Throws UsageError when the option is missing.
Dataset load_dataset(const Arguments& given, Split split);

}  // namespace safer::commands
