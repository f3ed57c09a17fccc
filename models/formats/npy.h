#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "engine/tensor.h"

namespace safer {

// NumPy's format for one array, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

/// Versions 1.0 to 3.0; little-endian f4, f8, i4, i8, and i1, u1, b1 (bools become u8); up to 8 axes. An array in Fortran order is
/// transposed to row-major. Throws Error, before memory is allocated for the elements, when the file is anything else, is
/// truncated or has bytes left over.
Tensor read_npy(const std::filesystem::path& path);
/// The same from memory; `name` stands for the file in messages.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name);

/// Version 1.0, as NumPy itself writes it. Throws Error when the file cannot be written.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);
std::vector<std::byte> npy_bytes(const Tensor& tensor);

}  // namespace safer
