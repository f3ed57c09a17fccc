#pragma once

#include <iosfwd>
#include <span>
#include <string_view>

namespace safer::commands {

/// A subcommand: `args` are the words behind its name. The result goes to `out` and nothing else does; remarks and progress go to
/// `log`. Returns the exit status 0, or throws: UsageError for wrong usage, any other exception for what could not be done.
using Function = int(std::span<const char* const> args, std::ostream& out, std::ostream& log);

Function rank, measure, info, run, train, evaluate, testbed;

struct Command {
  std::string_view name;
  std::string_view summary;
  Function* function;
};

/// All subcommands, in the order in which they are listed.
inline constexpr Command commands[] = {
    {"rank", "which layers of a network matter most", rank},
    {"measure", "which layers matter most, by what noise on them does", measure},
    {"info", "layers, sizes, memory and instruction sets", info},
    {"run", "a network's outputs for some data, as an .npy file", run},
    {"train", "train a network and keep its weights as a .safetensors file", train},
    {"evaluate", "accuracy and cross-entropy on labelled data", evaluate},
    {"testbed", "many networks whose layers' importance is measured, and how well criteria find it", testbed},
};

/// The whole program: `args` are the words behind "safer". Errors are printed on `log`, one line each. Returns the exit status: 0
/// done, 1 could not be done, 2 wrong usage.
int safer(std::span<const char* const> args, std::ostream& out, std::ostream& log);

}  // namespace safer::commands
