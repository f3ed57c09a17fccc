#include "models/formats/safetensors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/file.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden";

/// A file with this header and these bytes of elements.
std::string file(const std::string& header, const std::string& data = "") {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> 8 * i & 255);
  return length + header + data;
}

Safetensors parse(const std::string& text) { return parse_safetensors(std::as_bytes(std::span(text)), "x"); }

void refuses(const std::string& text, const std::string& message) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse(text), message.c_str(), Error);
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}";
}

/// Element i is first + i * step.
template <class T>
void check_counting(const NamedTensor& tensor, const std::string& name, const Shape& shape, double first, double step) {
  CAPTURE(name);
  CHECK(tensor.name == name);
  REQUIRE(tensor.value.type() == dtype_of<T>);
  REQUIRE(tensor.value.shape() == shape);
  for (const T value : tensor.value.values<T>()) {
    CHECK(static_cast<double>(value) == first);
    first += step;
  }
}

}  // namespace

TEST_CASE("safetensors: reads every type, in the order of the data") {
  const Safetensors found = read_safetensors(golden / "reference.safetensors");
  CHECK(found.metadata == Metadata{{"input", "x/255"}, {"source", "a \"quoted\" \\ line\nbreak"}});
  REQUIRE(found.tensors.size() == 8);
  check_counting<std::int64_t>(found.tensors[0], "labels", {4}, -3, 1);
  check_counting<double>(found.tensors[1], "double", {2, 2}, -0.75, 0.25);
  check_counting<float>(found.tensors[2], "a", {2, 3}, -0.75, 0.25);
  check_counting<float>(found.tensors[3], "b.größe", {}, -0.75, 0);
  check_counting<float>(found.tensors[4], "none", {0, 3}, 0, 0);
  check_counting<std::int32_t>(found.tensors[5], "counts", {3}, -3, 1);
  check_counting<std::int8_t>(found.tensors[6], "signed", {5}, -3, 1);
  check_counting<std::uint8_t>(found.tensors[7], "bytes", {3}, 0, 1);
}

TEST_CASE("safetensors: writes the bytes of the reference writer, whatever the order") {
  Safetensors found = read_safetensors(golden / "reference.safetensors");
  const std::vector<std::byte> expected = read_file(golden / "reference.safetensors");
  CHECK(safetensors_bytes(found.tensors, found.metadata) == expected);
  std::ranges::sort(found.tensors, {}, &NamedTensor::name);
  CHECK(safetensors_bytes(found.tensors, found.metadata) == expected);
}

TEST_CASE("safetensors: half and brain floats become f32, and the header's order does not count") {
  const Safetensors found = read_safetensors(golden / "half.safetensors");
  REQUIRE(found.tensors.size() == 2);
  CHECK(found.tensors[0].name == "brain");
  CHECK(found.tensors[1].name == "half");
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> half = {0, -0.0f, 1, -2.5, 65504, 0x1p-14f, 0x1p-24f, inf, -inf, 0x1.554p-2f};
  const std::vector<float> brain = {0, -0.0f, 1, -2.5, 65280, 0x1p-14f, 0x1p-24f, inf, -inf, 0x1.54p-2f};
  CHECK(std::memcmp(found.tensors[0].value.raw(), brain.data(), 40) == 0);
  CHECK(std::memcmp(found.tensors[1].value.raw(), half.data(), 40) == 0);
}

TEST_CASE("safetensors: every half-precision number") {
  std::string data;
  for (int bits = 0; bits < 65536; ++bits) data += {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)};
  const Safetensors found = parse(file("{" + entry("h", "F16", "65536", "0,131072") + "}", data));
  const auto values = found.tensors[0].value.values<float>();
  int wrong = 0;
  for (int bits = 0; bits < 65536; ++bits) {
    const int exponent = bits / 1024 % 32, fraction = bits % 1024;
    const float value = values[static_cast<std::size_t>(bits)];
    if (exponent == 31 && fraction) {
      wrong += !std::isnan(value);
      continue;
    }
    double expected = exponent == 31 ? std::numeric_limits<double>::infinity() : fraction / 1024.0 * std::pow(2.0, -14);
    if (exponent > 0 && exponent < 31) expected = (1 + fraction / 1024.0) * std::pow(2.0, exponent - 15);
    wrong += double{value} != (bits < 32768 ? expected : -expected) || std::signbit(value) != (bits >= 32768);
  }
  CHECK(wrong == 0);
}

TEST_CASE("safetensors: odd but valid headers") {
  CHECK(parse(file("{}")).tensors.empty());
  CHECK(parse(file("{ }   ")).metadata.empty());
  CHECK(parse(file(R"({"__metadata__":{}})")).tensors.empty());
  CHECK(parse(file(R"({"__metadata__":{"":""}})")).metadata == Metadata{{"", ""}});
  CHECK(parse(file("{" + entry("", "U8", "", "0,1") + "}", "a")).tensors[0].name.empty());
  // Empty tensors may lie anywhere between the others.
  const Safetensors found = parse(file(
      "{" + entry("b", "U8", "0", "1,1") + "," + entry("c", "U8", "1", "1,2") + "," + entry("a", "U8", "1", "0,1") + "}", "xy"));
  CHECK(found.tensors[0].name == "a");
  CHECK(found.tensors[2].name == "c");
  CHECK(found.tensors[2].value.values<std::uint8_t>()[0] == 'y');
}

TEST_CASE("safetensors: refuses what is not such a file") {
  refuses("1234567", "x: truncated: 7 bytes, expected at least 8");
  refuses("not safetensors",
          "x: not a safetensors file, or truncated: the header is said to have 7306634592548843374 bytes, "
          "expected at most 7");
  refuses(file("{}").substr(0, 9),
          "x: not a safetensors file, or truncated: the header is said to have 2 bytes, expected at most 1");
  refuses(file(""), "x: header: begins with \"\", expected \"{\"");
  refuses(file(" {}"), "x: header: begins with \" \", expected \"{\"");
  refuses(file("{\"a\":"), "x: header: not JSON at byte 6 (\"\\\"a\\\":\")");
  refuses(file("{\"\xff\":1}"), "x: header: not JSON at byte 3 (\"\\\"\xEF\xBF\xBD\")");
  refuses(file("{},"), "x: header: not JSON at byte 3 (\"{},\")");
}

TEST_CASE("safetensors: refuses a header that longs for more than the limit") {
  std::string text = file("{}");
  text[3] = '\x7f';  // 2130706434
  refuses(text, "x: not a safetensors file, or truncated: the header is said to have 2130706434 bytes, expected at most 2");
}

TEST_CASE("safetensors: refuses entries that are not as described") {
  const std::string good = R"("dtype":"U8","shape":[1],"data_offsets":[0,1])";
  const auto with = [](const std::string& fields) { return file("{\"a\":{" + fields + "}}", "1"); };
  CHECK(parse(with(good)).tensors.size() == 1);
  refuses(file("{\"a\":7}"), "x: tensor \"a\": found 7, expected an object");
  refuses(file("{\"a\":null}"), "x: tensor \"a\": found null, expected an object");
  refuses(file("{\"a\":[]}"), "x: tensor \"a\": found an array, expected an object");
  refuses(with(R"("dtype":"U8","shape":[1])"), "x: tensor \"a\": no data_offsets");
  refuses(with(R"("dtype":"U8","data_offsets":[0,1])"), "x: tensor \"a\": no shape");
  refuses(with(R"("shape":[1],"data_offsets":[0,1])"), "x: tensor \"a\": no dtype");
  refuses(with(good + R"(,"dtype":"U8")"), "x: tensor \"a\": dtype appears twice");
  refuses(with(good + R"(,"strides":[1])"),
          "x: tensor \"a\": found the key \"strides\", expected one of the keys dtype, shape and "
          "data_offsets");
  refuses(with(R"("dtype":8)"), "x: tensor \"a\": found 8, expected the name of a dtype");
  refuses(with(R"("dtype":true)"), "x: tensor \"a\": found true, expected the name of a dtype");
  refuses(with(R"("dtype":"F8_E4M3")"),
          "x: tensor \"a\": dtype \"F8_E4M3\" is not supported, only F32, F64, F16, BF16, I8, U8, I32 and I64");
  refuses(with(R"("shape":"1")"), "x: tensor \"a\": found \"1\", expected an array of sizes");
  refuses(with(R"("shape":{})"), "x: tensor \"a\": found an object, expected an array of sizes");
  refuses(with(R"("shape":[-1])"), "x: tensor \"a\": found -1, expected the size of an axis (0 to 2^63-1)");
  refuses(with(R"("shape":[1.5])"), "x: tensor \"a\": found 1.5, expected the size of an axis (0 to 2^63-1)");
  refuses(with(R"("shape":[[1]])"), "x: tensor \"a\": found an array, expected the size of an axis (0 to 2^63-1)");
  refuses(with(R"("shape":[9223372036854775808])"),
          "x: tensor \"a\": found 9223372036854775808, expected the size of an axis (0 to 2^63-1)");
  refuses(with(R"("shape":[1,1,1,1,1,1,1,1,1])"), "x: tensor \"a\": more than 8 axes, which is the most supported");
  refuses(with(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,1])"),
          "x: tensor \"a\": shape: the number of elements does not fit into 63 bits");
  refuses(with(R"("data_offsets":[0])"), "x: tensor \"a\": 1 data_offsets, expected two");
  refuses(with(R"("data_offsets":[0,1,2])"), "x: tensor \"a\": more than two data_offsets");
  refuses(with(R"("data_offsets":[0,18446744073709551616])"),
          "x: tensor \"a\": found 18446744073709551616, expected an offset (0 to 2^64-1)");
  refuses(file("{" + entry("a", "U8", "1", "0,1") + "," + entry("a", "U8", "1", "1,2") + "}", "12"),
          "x: header: tensor \"a\" appears twice");
}

TEST_CASE("safetensors: refuses metadata that is not text") {
  refuses(file(R"({"__metadata__":1})"), "x: __metadata__: found 1, expected an object");
  refuses(file(R"({"__metadata__":{"k":1}})"), "x: __metadata__ \"k\": found 1, expected text");
  refuses(file(R"({"__metadata__":{"k":{}}})"), "x: __metadata__ \"k\": found an object, expected text");
  refuses(file(R"({"__metadata__":{"k":"","k":""}})"), "x: __metadata__ \"k\": the key appears twice");
  refuses(file(R"({"__metadata__":{},"__metadata__":{}})"), "x: header: __metadata__ appears twice");
}

TEST_CASE("safetensors: refuses offsets that do not tile the data") {
  const auto one = [](const std::string& shape, const std::string& offsets, const std::string& data) {
    return file("{" + entry("a", "F32", shape, offsets) + "}", data);
  };
  refuses(one("2", "8,0", "12345678"), "x: tensor \"a\": data_offsets [8, 0] run backwards");
  refuses(one("2", "0,8", "1234567"),
          "x: tensor \"a\": data_offsets [0, 8] reach beyond the 7 bytes of data; is the file truncated?");
  refuses(one("2", "0,8", "123456789"), "x: 1 bytes left over after the last tensor, expected none");
  refuses(one("1", "4,8", "12345678"), "x: tensor \"a\": data_offsets [4, 8] leave a hole: expected to begin at 0");
  refuses(one("2,3", "0,8", "12345678"),
          "x: tensor \"a\": data_offsets [0, 8] hold 8 bytes, expected 6 elements of 4 bytes for F32 [2, 3]");
  refuses(one("1", "0,5", "12345"),
          "x: tensor \"a\": data_offsets [0, 5] hold 5 bytes, expected 1 elements of 4 bytes for F32 [1]");
  // 2^62 elements of 4 bytes are 2^64 bytes, which is 0 in 64 bits.
  refuses(one("4611686018427387904", "0,0", ""),
          "x: tensor \"a\": data_offsets [0, 0] hold 0 bytes, expected 4611686018427387904 "
          "elements of 4 bytes for F32 [4611686018427387904]");
  refuses(file("{" + entry("a", "U8", "2", "0,2") + "," + entry("b", "U8", "2", "1,3") + "}", "123"),
          "x: tensor \"b\": data_offsets [1, 3] overlap another tensor: expected to begin at 2");
  refuses(file("{" + entry("a", "U8", "1", "0,1") + "," + entry("b", "U8", "1", "2,3") + "}", "123"),
          "x: tensor \"b\": data_offsets [2, 3] leave a hole: expected to begin at 1");
}

TEST_CASE("safetensors: a message shows an excerpt of a long or strange name") {
  const std::string name(200, 'n');
  refuses(file("{\"" + name + "\":1}"), "x: tensor \"" + std::string(80, 'n') + "\"...: found 1, expected an object");
  refuses(file(R"({"a\nb":1})"), "x: tensor \"a\\nb\": found 1, expected an object");
}

TEST_CASE("safetensors: refuses to write names that cannot be read back") {
  const auto refuses_to_write = [](const std::vector<std::string>& names, const Metadata& metadata, const std::string& message) {
    std::vector<NamedTensor> tensors;
    for (const std::string& name : names) tensors.push_back({name, Tensor(DType::u8, {})});
    CHECK_THROWS_WITH_AS(safetensors_bytes(tensors, metadata), message.c_str(), Error);
  };
  refuses_to_write({"a", "b", "a"}, {}, "safetensors: the name \"a\" is given to two tensors");
  refuses_to_write({"__metadata__"}, {}, "safetensors: the name \"__metadata__\" is reserved");
  refuses_to_write({"a\xff"}, {}, "safetensors: tensor name \"a\xEF\xBF\xBD\" is not UTF-8");
  refuses_to_write({}, {{"k", "\xff"}}, "safetensors: metadata \"\xEF\xBF\xBD\" is not UTF-8");
}

TEST_CASE("safetensors: the header is padded to 8 bytes") {
  for (std::size_t length = 0; length < 9; ++length) {
    const std::vector<NamedTensor> tensors = {{std::string(length, 'n'), Tensor(DType::u8, {3})}};
    const std::vector<std::byte> bytes = safetensors_bytes(tensors);
    CHECK((bytes.size() - 3) % 8 == 0);
    CHECK(parse_safetensors(bytes, "x").tensors[0].name == tensors[0].name);
  }
}

TEST_CASE("safetensors: the pretrained networks") {
  const char* const folder = std::getenv("SAFER_DATA");
  if (!folder) {
    MESSAGE("skipped: set SAFER_DATA to the folder of the real data");
    return;
  }
  int files = 0;
  for (const auto& item : std::filesystem::directory_iterator(std::filesystem::path(folder) / "models")) {
    if (item.path().extension() != ".safetensors") continue;
    CAPTURE(item.path());
    const Safetensors found = read_safetensors(item.path());
    CHECK(!found.metadata.empty());
    CHECK(!found.tensors.empty());
    for (const NamedTensor& tensor : found.tensors)
      if (tensor.value.type() == DType::f32)
        CHECK(std::ranges::all_of(tensor.value.values<float>(), [](float value) { return std::isfinite(value); }));
    const Safetensors again = parse_safetensors(safetensors_bytes(found.tensors, found.metadata), "again");
    CHECK(again.tensors.size() == found.tensors.size());
    CHECK(again.metadata == found.metadata);
    ++files;
  }
  CHECK(files > 0);
}
