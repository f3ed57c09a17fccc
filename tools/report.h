#pragma once

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <ostream>
#include <string>

#include "engine/shape.h"

namespace safer::commands {

/// Keys stay in the order in which they are set.
using Json = nlohmann::ordered_json;

/// One document and a line end. Names in files need not be UTF-8: what is not is replaced.
inline void print_json(std::ostream& out, const Json& document) {
  out << document.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

/// JSON has no NaN and no infinities: null stands for them.
inline Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

/// A number in comma-separated values, with as many digits as it takes to read the same one. The sign of a NaN says nothing.
inline std::string csv_number(double value) { return std::isnan(value) ? "nan" : fmt::format("{}", value); }

inline Json sizes(const Shape& shape) { return std::vector<std::int64_t>(shape.begin(), shape.end()); }

}  // namespace safer::commands
