#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace safer {

constexpr std::size_t cache_line = 64;

struct AlignedDelete {
  void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{cache_line}); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;

/// Uninitialised memory that starts on a cache line.
inline AlignedBytes aligned_bytes(std::size_t bytes) {
  return AlignedBytes(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{cache_line})));
}

}  // namespace safer
