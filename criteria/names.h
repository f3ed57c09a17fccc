#pragma once

#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/error.h"

namespace safer {

/// The row of a table of named things (or of pointers to them) that is called `name`. Throws Error, naming them all, when there is
/// none.
template <class Row>
const Row& find_named(std::string_view what, std::span<const Row> rows, std::string_view name) {
  std::string choices;
  for (const Row& row : rows) {
    const std::string_view candidate = [&] {
      if constexpr (std::is_pointer_v<Row>)
        return row->name;
      else
        return row.name;
    }();
    if (candidate == name) return row;
    choices += choices.empty() ? "" : ", ";
    choices += candidate;
  }
  throw Error("unknown {} '{}'; choose one of: {}", what, name, choices);
}

}  // namespace safer
