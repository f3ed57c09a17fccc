#include "models/spec.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace safer {

std::string_view take_until(char separator, std::string_view& rest) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

SpecOptions::SpecOptions(std::string who, std::string_view text, std::span<const std::string_view> keys) : who_(std::move(who)) {
  while (!text.empty()) {
    std::string_view value = take_until(',', text);
    const std::string_view key = take_until('=', value);
    if (std::ranges::find(keys, key) == keys.end())
      throw Error("{}: unknown option '{}'; choose one of: {}", who_, key, fmt::join(keys, ", "));
    if (this->text(key)) throw Error("{}: {} is given twice", who_, key);
    values_.emplace_back(key, value);
  }
}

std::optional<std::string_view> SpecOptions::text(std::string_view key) const {
  const auto found = std::ranges::find(values_, key, [](const auto& option) { return option.first; });
  return found == values_.end() ? std::nullopt : std::optional(found->second);
}

void SpecOptions::fail(std::string_view key, std::string_view value, std::string_view expected) const {
  throw Error("{}: {} is '{}', expected {}", who_, key, value, expected);
}

}  // namespace safer
