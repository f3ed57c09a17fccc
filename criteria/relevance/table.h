#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// All criteria, in the order in which they are listed: the paper's ten, and then ours.
std::span<const Criterion* const> criteria();
/// Throws Error, naming every criterion, when there is none of that name.
const Criterion& find_criterion(std::string_view name);

/// What is used where nothing else is asked for, with the criteria's own formulas of that preset.
struct Preset {
  PresetId id;
  std::string_view name;  // as on the command line
  std::string_view target, criterion, reduction;
};

std::span<const Preset> presets();
/// Throws Error, naming every preset, when there is none of that name.
const Preset& find_preset(std::string_view name);

}  // namespace safer
