#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace safer {

/// The whole contents of a file. Throws Error when it cannot be read or is empty.
std::vector<std::byte> read_file(const std::filesystem::path& path);
/// `length` bytes of a file from `offset` on. Throws Error, before memory is allocated for them, when the file is shorter.
std::vector<std::byte> read_file_part(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t length);

/// Writes beside `path` under a name of its own and renames, so that whoever is killed leaves the old file or the new one. A link
/// keeps pointing where it points; a device or a pipe is written to directly. Throws Error, and leaves no temporary file behind,
/// when that fails.
void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// Text found in a file, fit for a one-line message: in double quotes, escaped, cut after 80 bytes.
std::string excerpt(std::string_view text);

}  // namespace safer
