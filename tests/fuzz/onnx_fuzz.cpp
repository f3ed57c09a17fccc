#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/error.h"
#include "models/onnx/import.h"

/// Whatever the bytes, the reader gives a network or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    safer::onnx::import_network(safer::onnx::parse_model(std::as_bytes(std::span(data, size)), "fuzz", "."), "fuzz");
  } catch (const safer::Error&) {
  }
  return 0;
}
