#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/error.h"

namespace safer {

/// The text before the first `separator`; it and the separator are removed from `rest`.
std::string_view take_until(char separator, std::string_view& rest);

/// A text of the form key=value,key=value as MODEL and DATA arguments have it behind their name. Refers to the text that it was
/// made of. Messages begin with `who`, which names the whole argument: "model 'moons-vanilla:depth=0'".
class SpecOptions {
 public:
  /// Throws Error for a key that is not one of `keys`, or that comes twice.
  SpecOptions(std::string who, std::string_view text, std::span<const std::string_view> keys);

  std::optional<std::string_view> text(std::string_view key) const;
  /// Throws Error when the value is not a number of this type; `expected` says in words what it should be.
  template <class T>
  std::optional<T> number(std::string_view key, std::string_view expected) const {
    const std::optional<std::string_view> value = text(key);
    return value ? std::optional(to_number<T>(key, *value, expected)) : std::nullopt;
  }
  /// The same for numbers separated by '-'; none when the key is not there.
  template <class T = std::int64_t>
  std::vector<T> numbers(std::string_view key, std::string_view expected) const {
    std::vector<T> result;
    std::optional<std::string_view> rest = text(key);
    if (rest && (rest->empty() || rest->ends_with('-'))) fail(key, *rest, expected);
    while (rest && !rest->empty()) result.push_back(to_number<T>(key, take_until('-', *rest), expected));
    return result;
  }
  [[noreturn]] void fail(std::string_view key, std::string_view value, std::string_view expected) const;

 private:
  template <class T>
  T to_number(std::string_view key, std::string_view value, std::string_view expected) const {
    T number{};
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (failure != std::errc{} || end != value.data() + value.size()) fail(key, value, expected);
    return number;
  }

  std::string who_;
  std::vector<std::pair<std::string_view, std::string_view>> values_;
};

}  // namespace safer
