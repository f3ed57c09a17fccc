#pragma once

#include <span>
#include <string_view>

#include "engine/kernels/kernel_table.h"

namespace safer::kernels {

/// An instruction set that this build contains.
struct Isa {
  const KernelTable<float>* table;
  bool (*runs_here)();  // processor and operating system support it
  bool proven;          // its tests were run on such a machine or an emulation; unproven ones are never chosen unless forced
};

/// All of this build, best first. The last one always runs.
std::span<const Isa> isas();

/// The table in use: the best proven one that runs here, or the one named by the environment variable SAFER_ISA. Throws Error,
/// naming the choices, when that name is unknown or cannot run here.
const KernelTable<float>& active();

/// The table called `name`. Throws Error as above.
const KernelTable<float>& find(std::string_view name);

/// active() for float, the plain reference for double.
template <class T>
const KernelTable<T>& table();

}  // namespace safer::kernels
