#pragma once

#include <iosfwd>
#include <string>

#include "models/data/data_spec.h"
#include "models/network.h"
#include "tools/arguments.h"

namespace safer::commands {

// MODEL, --weights and --data: what a command works on.

inline constexpr Option weights_option = {"weights", "FILE.safetensors",
                                          "weights of a built-in network; without them a moons network trains itself"};
inline constexpr Option data_option = {"data", "DATA", "what the network reads (see below)"};

/// What MODEL and DATA may be, for the help.
std::string input_help();

/// MODEL, or the default network where it was left out.
std::string model_argument(const Arguments& given);

/// The network, with the weights of --weights or trained on the spot. Throws Error for a network that does neither.
Network load_network(const Arguments& given, const Common& common, std::ostream& log);

/// Throws UsageError when --data is missing and Error when it is none, so that this need not wait for a network that trains itself.
void check_data_argument(const Arguments& given);
/// The samples of --data, scaled as the network reads them; all at once, or as they are asked for.
Dataset load_dataset(const Arguments& given, const Network& network, Split split, const Subset& subset = {});
DataSource open_dataset(const Arguments& given, const Network& network, Split split, const Subset& subset = {});

}  // namespace safer::commands
