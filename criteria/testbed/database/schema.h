#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "criteria/testbed/database/sqlite.h"

namespace safer {

/// The tables of a testbed: see docs/testbed.md.
void create_tables(Database& database);
/// Throws Error when the file is no testbed.
void require_tables(Database& database);

/// What the content of a file depends on, by name. Two runs with equal settings write the same content.
using Settings = std::map<std::string, std::string>;
Settings read_settings(Database& database);
/// Notes the settings in a file that has none yet, or else throws Error naming each that differs. One that is left out has its
/// default.
void agree_on_settings(Database& database, const Settings& settings);

/// FNV-1a of all rows of all tables, in the order of their keys: equal for equal content, however it came about.
std::uint64_t digest(Database& database);

}  // namespace safer
