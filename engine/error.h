#pragma once

#include <stdexcept>
#include <utility>

#include "engine/format.h"

namespace safer {

/// The one exception of the project. The message is a single line that says where, what was found, what was
/// expected and, where it helps, what to do; the `safer` command prints it and exits with status 1.
class Error : public std::runtime_error {
 public:
  template <class... Args>
  explicit Error(fmt::format_string<Args...> format, Args&&... args)
      : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

}  // namespace safer
