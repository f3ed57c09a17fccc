#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "engine/error.h"
#include "models/formats/image.h"

/// Whatever the bytes, the reader gives an image of at least one pixel or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const safer::Tensor image = safer::parse_image(std::as_bytes(std::span(data, size)), "fuzz");
    if (image.shape().rank() != 3 || image.size() < 3 || image.shape()[2] != 3) std::abort();
  } catch (const safer::Error&) {
  }
  return 0;
}
