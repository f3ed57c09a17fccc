#include "tools/command.h"

#include <algorithm>
#include <new>
#include <ostream>
#include <string>
#include <vector>

#include "tools/arguments.h"

namespace safer::commands {
namespace {

void print_help(std::ostream& out) {
  out << "safer: which layers of a trained network matter most\n\nUsage:\n  safer COMMAND [MODEL] [OPTION...]\n\nCommands:\n";
  for (const Command& command : commands) out << fmt::format("  {:<10}{}\n", command.name, command.summary);
  out << "\n'safer COMMAND --help' tells more about one; 'safer rank' needs nothing but itself.\n";
}

const Command& find_command(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Command& command : commands) {
    if (command.name == name) return command;
    names.push_back(command.name);
  }
  const std::string_view near = nearest(name, names);
  throw UsageError("unknown command '{}'; {}{}", name, near.empty() ? "" : fmt::format("did you mean {}? ", near),
                   fmt::format("choose one of: {}", fmt::join(names, ", ")));
}

int dispatch(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  if (args.empty()) {
    print_help(log);
    return 2;
  }
  const std::string_view first = args.front();
  int status = 0;
  if (first == "--help" || first == "-h" || first == "help")
    print_help(out);
  else if (first == "--version")
    out << "safer " SAFER_VERSION "\n";
  else
    status = find_command(first).function(args.subspan(1), out, log);
  if (!out.flush()) throw Error("the result could not be written to standard output");
  return status;
}

}  // namespace

int safer(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const bool named = !args.empty() && std::ranges::find(commands, args.front(), &Command::name) != std::end(commands);
  const std::string who = named ? fmt::format("safer {}", args.front()) : "safer";
  try {
    return dispatch(args, out, log);
  } catch (const UsageError& error) {
    log << who << ": " << error.what() << "; see '" << who << " --help'\n";
    return 2;
  } catch (const std::bad_alloc&) {
    log << who << ": not enough memory; try fewer samples or a smaller network\n";
  } catch (const std::exception& error) {
    log << who << ": " << error.what() << '\n';
  }
  return 1;
}

}  // namespace safer::commands
