#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/error.h"
#include "models/formats/npy.h"

/// Whatever the bytes, the reader gives a tensor or an Error, and what it gives can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const safer::Tensor tensor = safer::parse_npy(std::as_bytes(std::span(data, size)), "fuzz");
    if (safer::parse_npy(safer::npy_bytes(tensor), "again").shape() != tensor.shape()) std::abort();
  } catch (const safer::Error&) {
  }
  return 0;
}
