#include "models/formats/npy.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/file.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden";

template <class T>
void check_counting(const Tensor& tensor, double first, double step) {
  REQUIRE(tensor.type() == dtype_of<T>);
  double expected = first;
  for (const T value : tensor.values<T>()) {
    CHECK(static_cast<double>(value) == expected);
    expected += step;
  }
}

/// What make_golden.py's counting() gives for the element type.
void check_golden(const std::string& name, const Shape& shape, DType type) {
  CAPTURE(name);
  const Tensor tensor = read_npy(golden / name);
  REQUIRE(tensor.type() == type);
  REQUIRE(tensor.shape() == shape);
  switch (type) {
    case DType::f32: return check_counting<float>(tensor, -0.75, 0.25);
    case DType::f64: return check_counting<double>(tensor, -0.75, 0.25);
    case DType::i8: return check_counting<std::int8_t>(tensor, -3, 1);
    case DType::u8: return check_counting<std::uint8_t>(tensor, 0, 1);
    case DType::i32: return check_counting<std::int32_t>(tensor, -3, 1);
    case DType::i64: return check_counting<std::int64_t>(tensor, -3, 1);
  }
}

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// A file of version 1.0 with this header and this many zero bytes of elements.
std::string file(const std::string& header, std::size_t elements = 0) {
  std::string text("\x93NUMPY\1\0", 8);
  text += static_cast<char>(header.size() % 256);
  text += static_cast<char>(header.size() / 256);
  return text + header + std::string(elements, '\0');
}

Tensor parse(const std::string& text) { return parse_npy(as_bytes(text), "x.npy"); }

void refuses(const std::string& text, const std::string& message) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse(text), message.c_str(), Error);
}

}  // namespace

TEST_CASE("npy: reads what NumPy wrote") {
  check_golden("f4.npy", {2, 3}, DType::f32);
  check_golden("f8.npy", {2, 3}, DType::f64);
  check_golden("i1.npy", {2, 3}, DType::i8);
  check_golden("u1.npy", {2, 3}, DType::u8);
  check_golden("i4.npy", {2, 3}, DType::i32);
  check_golden("i8.npy", {2, 3}, DType::i64);
  check_golden("scalar.npy", {}, DType::f32);
  check_golden("vector.npy", {5}, DType::f32);
  check_golden("empty.npy", {3, 0, 2}, DType::f32);
  check_golden("rank8.npy", {1, 2, 1, 3, 1, 2, 1, 2}, DType::i32);
  check_golden("version2.npy", {2, 3}, DType::f32);
  check_golden("version3.npy", {2, 3}, DType::f32);
}

TEST_CASE("npy: bools are bytes") {
  const Tensor tensor = read_npy(golden / "b1.npy");
  REQUIRE(tensor.type() == DType::u8);
  for (std::size_t i = 0; i < 6; ++i) CHECK(tensor.values<std::uint8_t>()[i] == i % 2);
}

TEST_CASE("npy: Fortran order is transposed to row-major") {
  check_golden("fortran2.npy", {3, 5}, DType::f64);
  check_golden("fortran4.npy", {2, 3, 4, 5}, DType::i8);
}

TEST_CASE("npy: writes the bytes that NumPy writes") {
  for (const char* name :
       {"f4.npy", "f8.npy", "i1.npy", "u1.npy", "i4.npy", "i8.npy", "scalar.npy", "vector.npy", "empty.npy", "rank8.npy"}) {
    CAPTURE(name);
    CHECK(npy_bytes(read_npy(golden / name)) == read_file(golden / name));
  }
}

TEST_CASE("npy: a file written is read back") {
  const TemporaryFolder folder;
  const std::vector<float> values = {1, -2, 3.5f, 0, 1e-40f, 7};
  const Tensor tensor = Tensor::of<float>({3, 1, 2}, values);
  write_npy(folder / "x.npy", tensor);
  const Tensor back = read_npy(folder / "x.npy");
  REQUIRE(back.shape() == tensor.shape());
  CHECK(std::memcmp(back.raw(), tensor.raw(), tensor.bytes()) == 0);
  CHECK_THROWS_WITH_AS(read_npy(folder / "y.npy"),
                       ((folder / "y.npy").string() + ": cannot be opened: No such file or directory").c_str(), Error);
}

TEST_CASE("npy: header in any order, with either quotes and spaces, and the long integers of Python 2") {
  const Tensor tensor = parse(file("\t{ \"shape\" : ( 2L ,3L, ) ,\n'descr':'<i1', 'fortran_order':False}\n", 6));
  CHECK(tensor.shape() == Shape{2, 3});
  CHECK(tensor.type() == DType::i8);
}

TEST_CASE("npy: refuses types it cannot hold, naming them") {
  const std::string only = " is not supported, only <f4, <f8, |i1, |u1, <i4, <i8 and |b1; convert ";
  const auto refused = [](const std::string& name, const std::string& what) {
    CHECK_THROWS_WITH_AS(read_npy(golden / name), ((golden / name).string() + what).c_str(), Error);
  };
  refused("refused_big_endian.npy", ": dtype \">f4\"" + only + "from big-endian with array.astype(array.dtype.newbyteorder('<'))");
  refused("refused_f2.npy", ": dtype \"<f2\"" + only + "with array.astype('<f4')");
  refused("refused_text.npy", ": dtype \"<U2\"" + only + "with array.astype('<f4')");
  refused("refused_fields.npy",
          ": header: found \"[('a', '<f4'), ('b',\" at byte 10, expected a single dtype "
          "(<f4, <f8, |i1, |u1, <i4, <i8 and |b1) in quotes");
}

TEST_CASE("npy: refuses what is not an npy file") {
  refuses("", "x.npy: truncated: 0 bytes, a header has at least 10");
  refuses("\x93NUM", "x.npy: truncated: 4 bytes, a header has at least 10");
  refuses("hello, world", "x.npy: not an npy file: begins with \"hello,\", expected \"\\x93NUMPY\"");
  refuses(
      "PK\3\4 and so on",
      "x.npy: not an npy file: begins with \"PK\\u0003\\u0004 a\", expected \"\\x93NUMPY\"; it looks like an npz archive: unzip it "
      "and use one of the npy files inside");
  refuses(std::string("\x93NUMPY\4\0\0\0\0\0", 12), "x.npy: npy version 4.0, expected 1.0, 2.0 or 3.0");
  refuses(std::string("\x93NUMPY\1\1\0\0\0\0", 12), "x.npy: npy version 1.1, expected 1.0, 2.0 or 3.0");
  refuses(std::string("\x93NUMPY\2\0\0\0", 10), "x.npy: truncated: 10 bytes, a header has at least 12");
  refuses(std::string("\x93NUMPY\2\0\0\0\0\x80{}", 14), "x.npy: truncated: the header has 2147483648 bytes, but only 2 follow");
}

TEST_CASE("npy: refuses a header that is not the dict it must be") {
  const std::string rest = "'descr': '<f4', 'fortran_order': False";
  refuses(file("[]"), "x.npy: header: found \"[]\" at byte 0, expected '{'");
  refuses(file("{"), "x.npy: header: found the end at byte 1, expected a key in quotes");
  refuses(file("{}"), "x.npy: header: no 'descr'; expected the keys descr, fortran_order and shape");
  refuses(file("{'descr': '<f4'}"), "x.npy: header: no 'fortran_order'; expected the keys descr, fortran_order and shape");
  refuses(file("{" + rest + "}"), "x.npy: header: no 'shape'; expected the keys descr, fortran_order and shape");
  refuses(file("{" + rest + ", 'shape': (), 'order': 1}"),
          "x.npy: header: unknown key \"order\"; expected the keys descr, fortran_order and shape");
  refuses(file("{" + rest + ", " + rest + "}"), "x.npy: header: the key 'descr' appears twice");
  refuses(file("{'fortran_order': 0}"), "x.npy: header: found \"0}\" at byte 18, expected True or False");
  refuses(file("{" + rest + " 'shape': ()}"), "x.npy: header: found \"'shape': ()}\" at byte 40, expected ','");
  refuses(file("{" + rest + ", 'shape': ()} x", 4), "x.npy: header: found \"x\" at byte 54, expected nothing after the dict");
  refuses(file("{'shape': [2]}"), "x.npy: header: found \"[2]}\" at byte 10, expected '('");
  refuses(file("{'shape': (2)}"),
          "x.npy: header: found \"}\" at byte 13, expected a tuple (with a comma before the closing parenthesis)");
  refuses(file("{'shape': (2 3)}"), "x.npy: header: found \"3)}\" at byte 13, expected ',' or ')'");
  refuses(file("{'shape': (,)}"), "x.npy: header: found \",)}\" at byte 11, expected the size of an axis (0 to 2^63-1)");
  refuses(file("{'shape': (-1,)}"), "x.npy: header: found \"-1,)}\" at byte 11, expected the size of an axis (0 to 2^63-1)");
  refuses(file("{'shape': (9223372036854775808,)}"),
          "x.npy: header: found \"9223372036854775808,\" at byte 11, expected the size of an axis (0 to 2^63-1)");
  refuses(file("{'shape': (1,1,1,1,1,1,1,1,1)}"), "x.npy: more than 8 axes, which is the most supported");
  refuses(file("{'shape': (4294967296, 4294967296)}"), "x.npy: shape: the number of elements does not fit into 63 bits");
}

TEST_CASE("npy: refuses a size that is not the shape's") {
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  CHECK(parse(file(header, 24)).size() == 6);
  refuses(file(header, 23), "x.npy: truncated: 23 bytes of elements, expected 6 elements of 4 bytes for shape [2, 3]");
  refuses(file(header, 25), "x.npy: bytes left over: 25 bytes of elements, expected 6 elements of 4 bytes for shape [2, 3]");
  refuses(file(header, 28), "x.npy: bytes left over: 28 bytes of elements, expected 6 elements of 4 bytes for shape [2, 3]");
  refuses(
      file("{'descr': '<f8', 'fortran_order': True, 'shape': (4611686018427387904,)}", 8),
      "x.npy: truncated: 8 bytes of elements, expected 4611686018427387904 elements of 8 bytes for shape [4611686018427387904]");
}
