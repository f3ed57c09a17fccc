#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace safer {

/// The row of a table of named things that is called `name`. Throws Error, naming them all, when there is none.
template <class Row>
const Row& find_named(std::string_view what, std::span<const Row> rows, std::string_view name) {
  std::string choices;
  for (const Row& row : rows) {
    if (row.name == name) return row;
    choices += choices.empty() ? "" : ", ";
    choices += row.name;
  }
  throw Error("unknown {} '{}'; choose one of: {}", what, name, choices);
}

}  // namespace safer
