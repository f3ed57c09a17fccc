#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/parameters.h"
#include "engine/tensor.h"

namespace safer {

// The format of https://github.com/huggingface/safetensors: the length of a JSON header, the header, the tensors' bytes.

struct NamedTensor {
  std::string name;
  Tensor value;
};

using Metadata = std::map<std::string, std::string>;

struct Safetensors {
  std::vector<NamedTensor> tensors;  // in the order of their bytes in the file
  Metadata metadata;                 // what the header's __metadata__ says
};

/// Reads F32, F64, I8, U8, I32, I64; F16 and BF16 become f32. Throws Error, before memory is allocated for the elements, when
/// anything is wrong: every byte of the file must belong to exactly one tensor, as the reference reader demands.
Safetensors read_safetensors(const std::filesystem::path& path);
/// The same from memory; `name` stands for the file in messages.
Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name);

/// Lays the tensors out as the reference writer does: wider types first, then by name. The same tensors give the same bytes in
/// whatever order they come. Throws Error for a name that is taken twice, reserved or not UTF-8, and when the file cannot be
/// written.
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors, const Metadata& metadata = {});
std::vector<std::byte> safetensors_bytes(std::span<const NamedTensor> tensors, const Metadata& metadata = {});

/// Fills all of `parameters` by name, converting between f32 and f64. Throws Error, and changes nothing, when the file lacks one,
/// has one too many, or one has another shape or holds integers; one message names them all (the first ten of each kind).
void load_parameters(const std::filesystem::path& path, Parameters& parameters);
/// The same from a file that was read already; `name` stands for it in messages.
void load_parameters(const Safetensors& file, std::string_view name, Parameters& parameters);
void save_parameters(const std::filesystem::path& path, const Parameters& parameters, const Metadata& metadata = {});

}  // namespace safer
