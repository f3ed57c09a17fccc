#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>

/// Real data, which is not in the repository. Tests that miss it print a message beginning with "skipped".
namespace safer::test {

inline std::optional<std::filesystem::path> folder_in(const char* variable, const std::filesystem::path& name) {
  const char* const folder = std::getenv(variable);
  if (folder == nullptr || *folder == '\0' || !std::filesystem::exists(folder / name)) return std::nullopt;
  return folder / name;
}

/// What lies under this name in the folder that SAFER_DATA names.
inline std::optional<std::filesystem::path> shared_data(const std::filesystem::path& name) { return folder_in("SAFER_DATA", name); }

/// The folder of CIFAR-10's binary files if this one is there: SAFER_DATA has it, or tools/run-tests restored it to SAFER_CACHE.
inline std::optional<std::filesystem::path> cifar10_folder(const std::filesystem::path& batch) {
  for (const char* variable : {"SAFER_DATA", "SAFER_CACHE"})
    if (const auto found = folder_in(variable, "cifar10" / batch)) return found->parent_path();
  return std::nullopt;
}

}  // namespace safer::test
