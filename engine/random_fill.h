#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace safer {

/// Writes elements 4 * block .. 4 * block + count - 1 of a sample of a field.
using FillKernel = void(float* to, std::uint64_t key, std::uint64_t sample, std::uint64_t block, std::size_t count);

using ChooseKernel = void(float* u, float p, const float* values, float* to, std::size_t n);

/// What RandomField::uniform and normal and choose() are made of, for one instruction set.
struct RandomFill {
  std::string_view name;
  FillKernel *uniform, *normal;
  ChooseKernel* choose;
};

/// Those of this build that run here, best first; all give the same bits.
std::span<const RandomFill* const> random_fills();

}  // namespace safer
