#include "models/formats/safetensors_header.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>

#include "engine/error.h"
#include "models/formats/file.h"

namespace safer {
namespace {

constexpr ElementFormat formats[] = {
    {"U8", 1, DType::u8},   {"I8", 1, DType::i8},   {"F16", 2, DType::f32}, {"BF16", 2, DType::f32},
    {"I32", 4, DType::i32}, {"F32", 4, DType::f32}, {"F64", 8, DType::f64}, {"I64", 8, DType::i64},
};

/// Takes the header apart while it is being read. A tree of JSON values would cost many times the memory of the text, keep only
/// one of two equal keys, and follow any depth of nesting.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view file) : file_(file) {}
  SafetensorsHeader take() { return std::move(header_); }

  bool null() { unexpected("null"); }
  bool boolean(bool value) { unexpected(value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { unexpected(std::to_string(value)); }
  bool number_float(double, const std::string& text) { unexpected(std::string_view(text).substr(0, 40)); }
  bool binary(nlohmann::json::binary_t&) { unexpected("binary data"); }
  bool number_unsigned(std::uint64_t value);
  bool string(std::string& text);
  bool key(std::string& text);
  bool start_object(std::size_t);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t position, const std::string& last, const nlohmann::json::exception&) {
    throw Error("{}: header: not JSON at byte {} ({})", file_, position, excerpt(last));
  }

 private:
  /// What the next value must be.
  enum class Expect { header, tensor_or_metadata, metadata, metadata_text, field, dtype, shape, axis, offsets, offset, nothing };
  enum Field : unsigned { has_dtype = 1, has_shape = 2, has_offsets = 4, has_all = 7 };

  std::string where() const;
  std::string_view expected() const;
  [[noreturn]] void unexpected(std::string_view found) const {
    throw Error("{}: {}: found {}, expected {}", file_, where(), found, expected());
  }
  void field(std::string_view name);
  void finish_tensor();

  std::string_view file_;
  SafetensorsHeader header_;
  Expect expect_ = Expect::header;
  std::unordered_set<std::string> names_;
  bool has_metadata_ = false;
  std::string metadata_key_;
  TensorEntry tensor_;
  unsigned fields_ = 0;
  std::array<std::uint64_t, Shape::max_rank> axes_{};
  std::size_t rank_ = 0, offsets_ = 0;
};

std::string HeaderReader::where() const {
  switch (expect_) {
    case Expect::metadata: return "__metadata__";
    case Expect::metadata_text: return metadata_key_.empty() ? "__metadata__" : "__metadata__ " + excerpt(metadata_key_);
    case Expect::header:
    case Expect::nothing: return "header";
    default: return "tensor " + excerpt(tensor_.name);
  }
}

std::string_view HeaderReader::expected() const {
  switch (expect_) {
    case Expect::header:
    case Expect::tensor_or_metadata:
    case Expect::metadata: return "an object";
    case Expect::metadata_text: return "text";
    case Expect::field: return "one of the keys dtype, shape and data_offsets";
    case Expect::dtype: return "the name of a dtype";
    case Expect::shape: return "an array of sizes";
    case Expect::axis: return "the size of an axis (0 to 2^63-1)";
    case Expect::offsets: return "an array of two offsets";
    case Expect::offset: return "an offset (0 to 2^64-1)";
    case Expect::nothing: return "nothing more";
  }
  return {};
}

bool HeaderReader::number_unsigned(std::uint64_t value) {
  if (expect_ == Expect::axis) {
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) unexpected(std::to_string(value));
    if (rank_ == axes_.size()) throw Error("{}: {}: more than {} axes, which is the most supported", file_, where(), axes_.size());
    axes_[rank_++] = value;
  } else if (expect_ == Expect::offset && offsets_ < 2) {
    (offsets_++ == 0 ? tensor_.begin : tensor_.end) = value;
  } else if (expect_ == Expect::offset) {
    throw Error("{}: {}: more than two data_offsets", file_, where());
  } else {
    unexpected(std::to_string(value));
  }
  return true;
}

bool HeaderReader::string(std::string& text) {
  if (expect_ == Expect::metadata_text) {
    header_.metadata[std::move(metadata_key_)] = std::move(text);
    metadata_key_.clear();
  } else if (expect_ == Expect::dtype) {
    const auto* const found = std::ranges::find(formats, std::string_view(text), &ElementFormat::name);
    if (found == std::end(formats))
      throw Error("{}: {}: dtype {} is not supported, only F32, F64, F16, BF16, I8, U8, I32 and I64", file_, where(),
                  excerpt(text));
    tensor_.format = found;
    expect_ = Expect::field;
  } else {
    unexpected(excerpt(text));
  }
  return true;
}

bool HeaderReader::key(std::string& text) {
  if (expect_ == Expect::metadata_text) {
    metadata_key_ = std::move(text);
    if (header_.metadata.contains(metadata_key_)) throw Error("{}: {}: the key appears twice", file_, where());
  } else if (expect_ == Expect::field) {
    field(text);
  } else if (text == "__metadata__") {
    if (std::exchange(has_metadata_, true)) throw Error("{}: header: __metadata__ appears twice", file_);
    expect_ = Expect::metadata;
  } else {
    if (!names_.insert(text).second) throw Error("{}: header: tensor {} appears twice", file_, excerpt(text));
    tensor_ = TensorEntry{};
    tensor_.name = std::move(text);
  }
  return true;
}

void HeaderReader::field(std::string_view name) {
  const Field which = name == "dtype" ? has_dtype : name == "shape" ? has_shape : has_offsets;
  if (which == has_offsets && name != "data_offsets") unexpected("the key " + excerpt(name));
  if (fields_ & which) throw Error("{}: {}: {} appears twice", file_, where(), name);
  fields_ |= which;
  expect_ = which == has_dtype ? Expect::dtype : which == has_shape ? Expect::shape : Expect::offsets;
}

bool HeaderReader::start_object(std::size_t) {
  if (expect_ == Expect::header) {
    expect_ = Expect::tensor_or_metadata;
  } else if (expect_ == Expect::metadata) {
    expect_ = Expect::metadata_text;
  } else if (expect_ == Expect::tensor_or_metadata) {
    expect_ = Expect::field;
    fields_ = 0;
  } else {
    unexpected("an object");
  }
  return true;
}

bool HeaderReader::end_object() {
  if (expect_ == Expect::field) finish_tensor();
  expect_ = expect_ == Expect::tensor_or_metadata ? Expect::nothing : Expect::tensor_or_metadata;
  return true;
}

bool HeaderReader::start_array(std::size_t) {
  if (expect_ == Expect::shape) {
    expect_ = Expect::axis;
    rank_ = 0;
  } else if (expect_ == Expect::offsets) {
    expect_ = Expect::offset;
    offsets_ = 0;
  } else {
    unexpected("an array");
  }
  return true;
}

bool HeaderReader::end_array() {
  if (expect_ == Expect::offset && offsets_ != 2) throw Error("{}: {}: {} data_offsets, expected two", file_, where(), offsets_);
  expect_ = Expect::field;
  return true;
}

void HeaderReader::finish_tensor() {
  for (const auto& [bit, name] : {std::pair{has_dtype, "dtype"}, {has_shape, "shape"}, {has_offsets, "data_offsets"}})
    if (!(fields_ & bit)) throw Error("{}: {}: no {}", file_, where(), name);
  std::array<std::int64_t, Shape::max_rank> axes{};
  std::ranges::transform(axes_, axes.begin(), [](std::uint64_t size) { return static_cast<std::int64_t>(size); });
  try {
    tensor_.shape = Shape(std::span<const std::int64_t>(axes.data(), rank_));
  } catch (const Error& error) {
    throw Error("{}: {}: {}", file_, where(), error.what());
  }
  header_.tensors.push_back(std::move(tensor_));
}

}  // namespace

std::span<const ElementFormat> element_formats() { return formats; }

SafetensorsHeader parse_safetensors_header(std::string_view json, std::string_view file) {
  HeaderReader reader(file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return reader.take();
}

}  // namespace safer
