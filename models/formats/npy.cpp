#include "models/formats/npy.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "models/formats/file.h"

namespace safer {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::string_view supported = "<f4, <f8, |i1, |u1, <i4, <i8 and |b1";

struct Header {
  std::string_view descr;
  bool fortran_order = false;
  Shape shape;
};

/// The header is the literal of a Python dict with the keys descr, fortran_order and shape, in any order.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  Header parse() {
    expect('{');
    while (!accept('}')) {
      item(string("a key"));
      if (accept('}')) break;
      expect(',');
    }
    skip_spaces();
    if (at_ != text_.size()) fail("nothing after the dict");
    if (!seen_descr_ || !seen_order_ || !seen_shape_)
      throw Error("{}: header: no '{}'; expected the keys descr, fortran_order and shape", file_,
                  !seen_descr_   ? "descr"
                  : !seen_order_ ? "fortran_order"
                                 : "shape");
    return header_;
  }

 private:
  [[noreturn]] void fail(std::string_view expected) const {
    throw Error("{}: header: found {} at byte {}, expected {}", file_,
                at_ < text_.size() ? excerpt(text_.substr(at_, 20)) : "the end", at_, expected);
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool accept(std::string_view word) {
    skip_spaces();
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("'{}'", c));
  }
  std::string_view string(std::string_view what) {
    const char quote = accept('\'') ? '\'' : accept('"') ? '"' : '\0';
    const std::size_t end = quote ? text_.find(quote, at_) : text_.npos;
    if (end == text_.npos) fail(fmt::format("{} in quotes", what));
    const std::string_view inside = text_.substr(at_, end - at_);
    at_ = end + 1;
    return inside;
  }
  std::int64_t integer() {
    skip_spaces();
    std::int64_t value = 0;
    const char* const first = text_.data() + at_;
    const auto [last, failure] = std::from_chars(first, text_.data() + text_.size(), value);
    if (failure != std::errc{} || *first == '-') fail("the size of an axis (0 to 2^63-1)");
    at_ += static_cast<std::size_t>(last - first);
    accept('L');  // Python 2 wrote long integers so
    return value;
  }
  Shape tuple() {
    std::array<std::int64_t, Shape::max_rank> axes{};
    std::size_t rank = 0;
    bool comma = true;
    for (expect('('); !accept(')'); comma = accept(',')) {
      if (!comma) fail("',' or ')'");
      if (rank == axes.size()) throw Error("{}: more than {} axes, which is the most supported", file_, int{Shape::max_rank});
      axes[rank++] = integer();
    }
    if (rank == 1 && !comma) fail("a tuple (with a comma before the closing parenthesis)");
    try {
      return Shape(std::span<const std::int64_t>(axes.data(), rank));
    } catch (const Error& error) {
      throw Error("{}: {}", file_, error.what());
    }
  }
  void item(std::string_view key) {
    expect(':');
    bool* seen = nullptr;
    if (key == "descr") {
      seen = &seen_descr_;
      header_.descr = string(fmt::format("a single dtype ({})", supported));
    } else if (key == "fortran_order") {
      seen = &seen_order_;
      header_.fortran_order = accept("True");
      if (!header_.fortran_order && !accept("False")) fail("True or False");
    } else if (key == "shape") {
      seen = &seen_shape_;
      header_.shape = tuple();
    } else {
      throw Error("{}: header: unknown key {}; expected the keys descr, fortran_order and shape", file_, excerpt(key));
    }
    if (*seen) throw Error("{}: header: the key '{}' appears twice", file_, key);
    *seen = true;
  }

  std::string_view text_, file_;
  std::size_t at_ = 0;
  Header header_;
  bool seen_descr_ = false, seen_order_ = false, seen_shape_ = false;
};

DType type_of(std::string_view descr, std::string_view file) {
  if (descr == "<f4") return DType::f32;
  if (descr == "<f8") return DType::f64;
  if (descr == "<i4") return DType::i32;
  if (descr == "<i8") return DType::i64;
  // The byte order of a single byte means nothing, and writers other than NumPy put '<' there.
  const bool any_order = descr.size() == 3 && std::string_view("|<>=").find(descr[0]) != std::string_view::npos;
  if (any_order && descr.substr(1) == "i1") return DType::i8;
  if (any_order && (descr.substr(1) == "u1" || descr.substr(1) == "b1")) return DType::u8;
  throw Error("{}: dtype {} is not supported, only {}{}", file, excerpt(descr), supported,
              descr.starts_with('>') ? "; convert from big-endian with array.astype(array.dtype.newbyteorder('<'))"
                                     : "; convert with array.astype('<f4')");
}

/// The text of the header and the offset of the elements.
struct Frame {
  std::string_view header;
  std::size_t data = 0;
};

Frame frame(std::string_view text, std::string_view file) {
  if (!text.starts_with(magic.substr(0, text.size())))
    throw Error("{}: not an npy file: begins with {}, expected \"\\x93NUMPY\"{}", file, excerpt(text.substr(0, magic.size())),
                text.starts_with("PK") ? "; it looks like an npz archive: unzip it and use one of the npy files inside" : "");
  if (text.size() < 10) throw Error("{}: truncated: {} bytes, a header has at least 10", file, text.size());
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(text[i])}; };
  const std::size_t major = byte(6), minor = byte(7);
  if (major < 1 || major > 3 || minor != 0) throw Error("{}: npy version {}.{}, expected 1.0, 2.0 or 3.0", file, major, minor);
  const std::size_t begin = major == 1 ? 10 : 12;
  if (text.size() < begin) throw Error("{}: truncated: {} bytes, a header has at least {}", file, text.size(), begin);
  std::size_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - begin)
    throw Error("{}: truncated: the header has {} bytes, but only {} follow", file, length, text.size() - begin);
  return {text.substr(begin, length), begin + length};
}

/// Elements in which the first axis runs fastest, to row-major order.
void transpose(const std::byte* source, std::byte* target, const Shape& shape, std::size_t item) {
  std::array<std::size_t, Shape::max_rank> stride{};
  std::size_t next = item;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    stride[static_cast<std::size_t>(axis)] = next;
    next *= static_cast<std::size_t>(shape[axis]);
  }
  std::array<std::int64_t, Shape::max_rank> at{};
  for (std::int64_t i = 0; i < shape.size(); ++i, target += item) {
    std::memcpy(target, source, item);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      source += stride[a];
      if (++at[a] < shape[axis]) break;
      source -= stride[a] * static_cast<std::size_t>(shape[axis]);
      at[a] = 0;
    }
  }
}

std::string_view descr_of(DType type) {
  switch (type) {
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
    case DType::i8: return "|i1";
    case DType::u8: return "|u1";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
  }
  return {};
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Frame parts = frame(text, name);
  const Header header = HeaderParser(parts.header, name).parse();
  const DType type = type_of(header.descr, name);
  const std::size_t item = size_of(type), left = bytes.size() - parts.data;
  const auto elements = static_cast<std::uint64_t>(header.shape.size());
  // Divides what there is instead of multiplying what is claimed: the claim may not fit into 64 bits.
  if (left / item != elements || left % item != 0)
    throw Error("{}: {}: {} bytes of elements, expected {} elements of {} bytes for shape {}", name,
                left / item < elements ? "truncated" : "bytes left over", left, elements, item, header.shape);
  Tensor tensor(type, header.shape);
  if (elements == 0) return tensor;
  if (header.fortran_order)
    transpose(bytes.data() + parts.data, tensor.mutable_raw(), header.shape, item);
  else
    std::memcpy(tensor.mutable_raw(), bytes.data() + parts.data, left);
  return tensor;
}

Tensor read_npy(const std::filesystem::path& path) { return parse_npy(read_file(path), path.string()); }

std::vector<std::byte> npy_bytes(const Tensor& tensor) {
  std::string shape;
  for (const std::int64_t size : tensor.shape()) shape += fmt::format("{}{}", shape.empty() ? "" : ", ", size);
  if (tensor.shape().rank() == 1) shape += ",";
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr_of(tensor.type()), shape);
  constexpr std::size_t alignment = 64, prefix = 10;
  header.append(alignment - 1 - (prefix + header.size()) % alignment, ' ') += '\n';

  std::string file = std::string(magic) + '\1' + '\0';
  file += static_cast<char>(header.size() % 256);
  file += static_cast<char>(header.size() / 256);
  file += header;
  std::vector<std::byte> bytes(file.size() + tensor.bytes());
  std::memcpy(bytes.data(), file.data(), file.size());
  if (tensor.bytes()) std::memcpy(bytes.data() + file.size(), tensor.raw(), tensor.bytes());
  return bytes;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) { write_file_atomically(path, npy_bytes(tensor)); }

}  // namespace safer
