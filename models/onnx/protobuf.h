#pragma once

#include <string_view>

#include "engine/error.h"

namespace safer::onnx {

/// A field of another kind than its number says.
struct WrongWireType {
  std::string_view expected;
};

}  // namespace safer::onnx

// Protozero checks the kind of a field with assert() only, and would read a file's wrong one as if it were right.
#define protozero_assert(condition) ((condition) ? void() : throw ::safer::onnx::WrongWireType{#condition})
#include <protozero/pbf_reader.hpp>

namespace safer::onnx {

using Reader = protozero::pbf_reader;

inline std::string_view bytes_of(Reader& field) {
  const protozero::data_view view = field.get_view();
  return {view.data(), view.size()};
}
inline bool is_packed(const Reader& field) { return field.has_wire_type(protozero::pbf_wire_type::length_delimited); }

/// read(message) for each field of a message, which it must take or skip. What is wrong with the encoding becomes an Error that
/// names the file and `what` was read.
template <class Read>
void each_field(Reader message, std::string_view file, std::string_view what, const Read& read) {
  const auto fail = [&](std::string_view why) {
    throw Error("{}: not an ONNX file, or truncated: {}: field {}: {}", file, what, message.tag(), why);
  };
  try {
    while (message.next()) read(message);
  } catch (const protozero::exception& error) {
    fail(error.what());
  } catch (const WrongWireType&) {
    fail("of another type than expected");
  }
}

}  // namespace safer::onnx
