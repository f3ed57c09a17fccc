#include "models/onnx/model.h"

#include "engine/error.h"

namespace safer::onnx {

std::string name(ElementType type) {
  switch (type) {
    case ElementType::undefined: return "no type";
    case ElementType::float32: return "float";
    case ElementType::uint8: return "uint8";
    case ElementType::int8: return "int8";
    case ElementType::uint16: return "uint16";
    case ElementType::int16: return "int16";
    case ElementType::int32: return "int32";
    case ElementType::int64: return "int64";
    case ElementType::string: return "string";
    case ElementType::boolean: return "bool";
    case ElementType::float16: return "float16";
    case ElementType::float64: return "double";
    case ElementType::uint32: return "uint32";
    case ElementType::uint64: return "uint64";
    case ElementType::bfloat16: return "bfloat16";
  }
  return fmt::format("type {}", static_cast<int>(type));
}

DType stored_type(ElementType type, std::string_view who) {
  switch (type) {
    case ElementType::float32:
    case ElementType::float16:
    case ElementType::bfloat16: return DType::f32;
    case ElementType::float64: return DType::f64;
    case ElementType::int8: return DType::i8;
    case ElementType::uint8:
    case ElementType::boolean: return DType::u8;
    case ElementType::uint16:
    case ElementType::int16:
    case ElementType::int32: return DType::i32;
    case ElementType::int64:
    case ElementType::uint32:
    case ElementType::uint64: return DType::i64;
    default: throw Error("{}: elements are {}, expected numbers", who, name(type));
  }
}

}  // namespace safer::onnx
