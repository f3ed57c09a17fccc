#include "models/onnx/tensor_reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "models/formats/file.h"
#include "models/formats/half.h"
#include "models/onnx/model.h"
#include "models/onnx/protobuf.h"

namespace safer::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

/// Fields of TensorProto, as their bytes lie in the file.
struct Fields {
  std::string name;
  std::vector<std::int64_t> dims;
  std::int32_t type = 0, location = 0;
  std::optional<std::string_view> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> integers;  // int32_data, int64_data or uint64_data
  std::map<std::string, std::string> external;
};

/// Appends a repeated number, packed or not.
template <class T, class Packed, class Single>
void append(std::vector<T>& to, const Reader& field, const Packed& packed, const Single& single) {
  if (!is_packed(field)) return to.push_back(static_cast<T>(single()));
  for (const auto value : packed()) to.push_back(static_cast<T>(value));
}

void read_external(Reader entry, std::string_view file, std::map<std::string, std::string>& to) {
  std::string key, value;
  each_field(entry, file, "external data", [&](Reader& f) {
    switch (f.tag()) {
      case 1: key = f.get_string(); break;
      case 2: value = f.get_string(); break;
      default: f.skip();
    }
  });
  to[key] = value;
}

Fields read_fields(std::string_view bytes, std::string_view file) {
  Fields fields;
  each_field(Reader(bytes.data(), bytes.size()), file, "tensor", [&](Reader& f) {
    switch (f.tag()) {
      case 1:
        append(
            fields.dims, f, [&] { return f.get_packed_int64(); }, [&] { return f.get_int64(); });
        break;
      case 2: fields.type = f.get_int32(); break;
      case 4:
        append(
            fields.floats, f, [&] { return f.get_packed_float(); }, [&] { return f.get_float(); });
        break;
      case 5:
        append(
            fields.integers, f, [&] { return f.get_packed_int32(); }, [&] { return f.get_int32(); });
        break;
      case 7:
        append(
            fields.integers, f, [&] { return f.get_packed_int64(); }, [&] { return f.get_int64(); });
        break;
      case 8: fields.name = f.get_string(); break;
      case 9: fields.raw = bytes_of(f); break;
      case 10:
        append(
            fields.doubles, f, [&] { return f.get_packed_double(); }, [&] { return f.get_double(); });
        break;
      case 11:
        append(
            fields.integers, f, [&] { return f.get_packed_uint64(); }, [&] { return f.get_uint64(); });
        break;
      case 13: read_external(f.get_message(), file, fields.external); break;
      case 14: fields.location = f.get_enum(); break;
      default: f.skip();
    }
  });
  return fields;
}

std::size_t bytes_in_file(ElementType type) {
  switch (type) {
    case ElementType::float64:
    case ElementType::int64:
    case ElementType::uint64: return 8;
    case ElementType::float32:
    case ElementType::int32:
    case ElementType::uint32: return 4;
    case ElementType::float16:
    case ElementType::bfloat16:
    case ElementType::int16:
    case ElementType::uint16: return 2;
    default: return 1;
  }
}

/// Reads elements of type From and stores them as To.
template <class From, class To, class Convert>
void convert(std::string_view raw, Tensor& tensor, const Convert& to) {
  std::size_t at = 0;
  for (To& element : tensor.mutable_values<To>()) {
    From value;
    std::memcpy(&value, raw.data() + at, sizeof(value));
    element = to(value);
    at += sizeof(value);
  }
}

void copy_raw(std::string_view raw, ElementType type, Tensor& tensor) {
  const auto widen = [](auto value) { return static_cast<std::int32_t>(value); };
  switch (type) {
    case ElementType::float16: return convert<std::uint16_t, float>(raw, tensor, float_of_half);
    case ElementType::bfloat16: return convert<std::uint16_t, float>(raw, tensor, float_of_bfloat);
    case ElementType::uint16: return convert<std::uint16_t, std::int32_t>(raw, tensor, widen);
    case ElementType::int16: return convert<std::int16_t, std::int32_t>(raw, tensor, widen);
    case ElementType::uint32:
      return convert<std::uint32_t, std::int64_t>(raw, tensor, [](std::uint32_t value) { return std::int64_t{value}; });
    default:
      if (!raw.empty()) std::memcpy(tensor.mutable_raw(), raw.data(), raw.size());
  }
}

template <class To, class From>
void assign(Tensor& tensor, const std::vector<From>& values) {
  std::ranges::transform(values, tensor.mutable_values<To>().begin(), [](From value) { return static_cast<To>(value); });
}

/// The data of a tensor that does not use raw_data: int32_data also holds narrower integers and the bits of float16.
void copy_typed(const Fields& fields, ElementType type, Tensor& tensor) {
  const auto half = [&](float (*convert_bits)(std::uint16_t)) {
    std::ranges::transform(fields.integers, tensor.mutable_values<float>().begin(),
                           [&](std::int64_t bits) { return convert_bits(static_cast<std::uint16_t>(bits)); });
  };
  if (type == ElementType::float16) return half(float_of_half);
  if (type == ElementType::bfloat16) return half(float_of_bfloat);
  switch (tensor.type()) {
    case DType::f32: return assign<float>(tensor, fields.floats);
    case DType::f64: return assign<double>(tensor, fields.doubles);
    case DType::i8: return assign<std::int8_t>(tensor, fields.integers);
    case DType::u8: return assign<std::uint8_t>(tensor, fields.integers);
    case DType::i32: return assign<std::int32_t>(tensor, fields.integers);
    case DType::i64: return assign<std::int64_t>(tensor, fields.integers);
  }
}

std::uint64_t number(const std::map<std::string, std::string>& entries, const std::string& key, std::uint64_t without,
                     std::string_view who) {
  const auto found = entries.find(key);
  if (found == entries.end()) return without;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size())
    throw Error("{}: external data: {} is {}, expected a number of bytes", who, key, excerpt(text));
  return value;
}

/// The bytes that external_data names: a part of a file beside the model.
std::vector<std::byte> read_external_data(const Fields& fields, const Source& source, std::uint64_t expected,
                                          std::string_view who) {
  const auto location = fields.external.find("location");
  if (location == fields.external.end()) throw Error("{}: external data without a location, expected the name of a file", who);
  const std::filesystem::path name = location->second;
  // A model must not make us read files that its owner did not put beside it.
  const bool outside = name.is_absolute() || std::ranges::find(name, "..") != name.end();
  if (name.empty() || outside || location->second.find('\0') != std::string::npos)
    throw Error("{}: external data in {}, expected a file beside the model", who, excerpt(location->second));
  const std::uint64_t offset = number(fields.external, "offset", 0, who), length = number(fields.external, "length", expected, who);
  if (length != expected) throw Error("{}: external data of {} bytes, expected {}", who, length, expected);
  try {
    return read_file_part(source.folder / name, offset, length);
  } catch (const Error& error) {
    throw Error("{}: external data: {}", who, error.what());
  }
}

/// The shape, after comparing the bytes or numbers that are there with what dims and type say.
Shape checked_shape(const Fields& fields, std::string_view who) {
  if (fields.dims.size() > static_cast<std::size_t>(Shape::max_rank))
    throw Error("{}: {} dims, expected at most {}", who, fields.dims.size(), Shape::max_rank);
  try {
    return Shape(fields.dims);
  } catch (const Error& error) {
    throw Error("{}: dims: {}", who, error.what());
  }
}

std::size_t typed_count(const Fields& fields, DType stored, ElementType type) {
  if (type == ElementType::float16 || type == ElementType::bfloat16) return fields.integers.size();
  return stored == DType::f32 ? fields.floats.size() : stored == DType::f64 ? fields.doubles.size() : fields.integers.size();
}

}  // namespace

NamedTensorProto parse_tensor(std::string_view bytes, const Source& source) {
  Fields fields = read_fields(bytes, source.file);
  const std::string who = fmt::format("{}: tensor {}", source.file, excerpt(fields.name));
  const ElementType type{fields.type};
  const DType stored = stored_type(type, who);
  const Shape shape = checked_shape(fields, who);
  const auto count = static_cast<std::uint64_t>(shape.size());
  const bool external = fields.location == 1;

  if (!external && !fields.raw) {
    if (typed_count(fields, stored, type) != count)
      throw Error("{}: {} elements of {}, expected {} for {}", who, typed_count(fields, stored, type), name(type), count, shape);
    Tensor tensor(stored, shape);
    copy_typed(fields, type, tensor);
    return {std::move(fields.name), std::move(tensor)};
  }
  const std::uint64_t item = bytes_in_file(type);
  if (count > (std::uint64_t{1} << 60) / item) throw Error("{}: {} is larger than any file", who, shape);
  std::vector<std::byte> data;
  if (external) {
    data = read_external_data(fields, source, count * item, who);
    fields.raw = std::string_view(reinterpret_cast<const char*>(data.data()), data.size());
  }
  if (fields.raw->size() != count * item)
    throw Error("{}: {} bytes of data, expected {} for {} {}", who, fields.raw->size(), count * item, shape, name(type));
  Tensor tensor(stored, shape);
  copy_raw(*fields.raw, type, tensor);
  return {std::move(fields.name), std::move(tensor)};
}

}  // namespace safer::onnx
