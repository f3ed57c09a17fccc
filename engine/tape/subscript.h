#pragma once

#include <cstddef>
#include <cstdint>

namespace safer {

/// The id of a value, a parameter or a run, as a subscript.
constexpr std::size_t at(std::int64_t id) { return static_cast<std::size_t>(id); }

}  // namespace safer
