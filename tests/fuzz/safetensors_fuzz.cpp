#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/error.h"
#include "models/formats/safetensors.h"

/// Whatever the bytes, the reader gives tensors or an Error, and what it gives can be written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const safer::Safetensors file = safer::parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz");
    const auto again = safer::parse_safetensors(safer::safetensors_bytes(file.tensors, file.metadata), "again");
    if (again.tensors.size() != file.tensors.size() || again.metadata != file.metadata) std::abort();
  } catch (const safer::Error&) {
  }
  return 0;
}
