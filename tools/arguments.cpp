#include "tools/arguments.h"

// Its own parser instead of <regex>, which is slow to start and trips -Wmaybe-uninitialized of g++ 12 under AddressSanitizer.
#define CXXOPTS_NO_REGEX
#include <cxxopts.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/parallel.h"
#include "tools/progress.h"

namespace safer::commands {
namespace {

constexpr Option shared_options[] = {
    {"threads", "T", "number of threads; the results do not depend on it (default: one a core)"},
    {"json", "", "print one JSON document"},
    {"csv", "", "print comma-separated values"},
    {"quiet", "", "no remarks and no progress on standard error"},
    {"help", "", "show this help"},
};

void declare(cxxopts::OptionAdder add, const Option& option) {
  const std::string name(option.name), help(option.help), value(option.value);
  if (value.empty())
    add(name, help);
  else if (option.fallback.empty())
    add(name, help, cxxopts::value<std::string>(), value);
  else
    add(name, help + fmt::format(" (default: {})", option.fallback), cxxopts::value<std::string>(), value);
}

template <class T>
bool parse(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

}  // namespace

Arguments::Arguments(const Usage& usage, std::span<const char* const> args) {
  cxxopts::Options parser(fmt::format("safer {}", usage.command), std::string(usage.summary));
  parser.set_width(110);
  parser.custom_help(std::string(usage.positional) + (usage.positional.empty() ? "[OPTION...]" : " [OPTION...]"));
  for (const auto& options : {usage.options, std::span<const Option>(shared_options)})
    for (const Option& option : options) {
      declare(parser.add_options(), option);
      if (!option.fallback.empty()) fallbacks_[std::string(option.name)] = option.fallback;
    }
  help_ = parser.help() + (usage.more ? usage.more() : std::string());

  std::vector<const char*> argv = {"safer"};
  argv.insert(argv.end(), args.begin(), args.end());
  std::vector<std::string> rest;
  try {
    const cxxopts::ParseResult result = parser.parse(static_cast<int>(argv.size()), argv.data());
    for (const cxxopts::KeyValue& given : result.arguments()) values_[given.key()] = given.value();
    rest = result.unmatched();
  } catch (const cxxopts::exceptions::exception& error) {
    throw UsageError("{}", error.what());
  }
  if (wants_help()) return;
  for (const auto& [name, value] : values_)
    if (value.starts_with("--")) throw UsageError("--{} needs a value, found '{}'", name, value);
  const std::size_t expected = usage.positional.empty() ? 0 : 1;
  if (rest.size() > expected) throw UsageError("unexpected argument '{}'", rest[expected]);
  if (rest.empty() && expected == 1 && !usage.positional.starts_with("[")) throw UsageError("{} is missing", usage.positional);
  if (!rest.empty()) positional_ = rest.front();
}

bool Arguments::has(std::string_view option) const { return values_.find(option) != values_.end(); }

std::string Arguments::text(std::string_view option) const {
  if (const auto given = values_.find(option); given != values_.end()) return given->second;
  const auto fallback = fallbacks_.find(option);
  return fallback == fallbacks_.end() ? std::string() : fallback->second;
}

std::string Arguments::required(std::string_view option) const {
  if (!has(option)) throw UsageError("--{} is missing", option);
  return text(option);
}

std::int64_t Arguments::integer(std::string_view option, std::int64_t least, std::int64_t most) const {
  std::int64_t value = 0;
  if (!parse(text(option), value) || value < least || value > most) {
    const bool bounded = most < std::numeric_limits<std::int64_t>::max();
    throw UsageError("--{}: found '{}', expected a whole number {}", option, text(option),
                     bounded ? fmt::format("from {} to {}", least, most) : fmt::format("of {} or more", least));
  }
  return value;
}

double Arguments::number(std::string_view option, double least, double most) const {
  double value = 0;
  if (!parse(text(option), value) || !(value >= least && value <= most))
    throw UsageError("--{}: found '{}', expected a number from {} to {}", option, text(option), least, most);
  return value;
}

std::vector<std::string> Arguments::list(std::string_view option) const {
  std::vector<std::string> parts;
  const std::string all = text(option);
  if (all.empty() && !has(option)) return parts;
  for (std::size_t begin = 0; begin <= all.size();) {
    const std::size_t end = std::min(all.find(',', begin), all.size());
    if (end == begin) throw UsageError("--{}: found '{}', expected names between commas", option, all);
    parts.push_back(all.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::vector<double> Arguments::numbers(std::string_view option, double least, double most) const {
  std::vector<double> values;
  for (const std::string& part : list(option)) {
    double value = 0;
    if (!parse(part, value) || !(value >= least && value <= most))
      throw UsageError("--{}: found '{}', expected numbers from {} to {} between commas", option, part, least, most);
    values.push_back(value);
  }
  return values;
}

Common common_options(const Arguments& arguments, const std::ostream& log) {
  if (arguments.has("json") && arguments.has("csv")) throw UsageError("--json and --csv exclude each other");
  if (arguments.has("threads")) set_threads(static_cast<int>(arguments.integer("threads", 1, 1024)));
  const bool quiet = arguments.has("quiet");
  const Format format = arguments.has("json") ? Format::json : arguments.has("csv") ? Format::csv : Format::text;
  return {.format = format, .quiet = quiet, .progress = !quiet && is_terminal(log)};
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> names) {
  std::string_view best;
  std::size_t fewest = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view name : names) {
    std::vector<std::size_t> row(name.size() + 1);  // Levenshtein's distance, one row of its table at a time
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t corner = std::exchange(row[0], i + 1);
      for (std::size_t j = 0; j < name.size(); ++j)
        corner = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, corner + (word[i] == name[j] ? 0 : 1)}));
    }
    if (row.back() < fewest) fewest = row.back(), best = name;
  }
  return best;
}

}  // namespace safer::commands
