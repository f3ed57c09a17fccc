#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace safer::commands {

/// Wrong usage: the command line itself is at fault. Exit status 2.
class UsageError : public Error {
  using Error::Error;
};

/// An option "--name VALUE", or a switch where `value` is empty.
struct Option {
  std::string_view name;
  std::string_view value;          // what stands for the value in the help: "FILE.npy"
  std::string_view help;           // one line
  std::string_view fallback = {};  // the value when the option is not given; empty: none
};

/// What a command accepts, beside the options that every command has.
struct Usage {
  std::string_view command;         // "rank"
  std::string_view summary;         // one line
  std::string_view positional;      // the one argument that is not an option: "[MODEL]", "MODEL", or empty
  std::span<const Option> options;  // its own
  std::string (*more)() = nullptr;  // further lines of help
};

/// A command line, checked against a Usage.
class Arguments {
 public:
  /// Throws UsageError for unknown options, missing values and arguments too many or too few.
  Arguments(const Usage& usage, std::span<const char* const> args);

  /// Whether --help was given: then nothing else was checked.
  bool wants_help() const { return has("help"); }
  const std::string& help() const { return help_; }

  bool has(std::string_view option) const;
  /// The argument that is no option; empty when it was left out.
  const std::string& positional() const { return positional_; }
  /// The value of an option, or its fallback.
  std::string text(std::string_view option) const;
  /// The value of an option that must be given. Throws UsageError otherwise.
  std::string required(std::string_view option) const;
  /// The value of an option, or its fallback, as a number in least..most. Throws UsageError otherwise.
  std::int64_t integer(std::string_view option, std::int64_t least, std::int64_t most) const;
  double number(std::string_view option, double least, double most) const;
  /// Likewise, split at commas; none for an option without a value. Throws UsageError for an empty part.
  std::vector<std::string> list(std::string_view option) const;
  /// Likewise, each a number in least..most.
  std::vector<double> numbers(std::string_view option, double least, double most) const;

 private:
  std::map<std::string, std::string, std::less<>> values_, fallbacks_;
  std::string positional_, help_;
};

/// The options of every command, in effect.
enum class Format { text, json, csv };
struct Common {
  Format format = Format::text;
  bool quiet = false;     // no remarks
  bool progress = false;  // whether to show it
};
/// Reads them and sets the number of threads. Throws UsageError.
Common common_options(const Arguments& arguments, const std::ostream& log);

/// Throws UsageError for a name that `find` does not know.
template <class Find>
void require_known(const std::vector<std::string>& names, const Find& find) try {
  for (const std::string& name : names) find(name);
} catch (const Error& error) {
  throw UsageError("{}", error.what());
}

/// The one of `names` that is fewest edits away from `word`; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> names);

}  // namespace safer::commands
