#include <doctest/doctest.h>
#include <protozero/pbf_writer.hpp>

#include "engine/error.h"
#include "models/formats/file.h"
#include "models/onnx/import.h"
#include "models/onnx/model.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

const std::filesystem::path folder = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/onnx";

onnx::Model parsed(const std::string& bytes) { return onnx::parse_model(std::as_bytes(std::span(bytes)), "net.onnx", folder); }

/// A file whose graph has one initializer, of these fields.
template <class Write>
std::string with_tensor(const Write& write) {
  std::string tensor, graph, model;
  protozero::pbf_writer t(tensor);
  t.add_string(8, "w");
  write(t);
  protozero::pbf_writer(graph).add_message(5, tensor);
  protozero::pbf_writer(model).add_message(7, graph);
  return model;
}

void refuse(const std::string& bytes, const std::string& message) { CHECK_THROWS_WITH_AS(parsed(bytes), message.c_str(), Error); }

}  // namespace

TEST_CASE("onnx reader: what a file says") {
  const onnx::Model model = onnx::read_model(folder / "quantized.onnx");
  CHECK(model.opsets.at("") == 13);
  REQUIRE(model.graph.nodes.size() == 3);
  CHECK(model.graph.nodes[1].op == "Gemm");
  CHECK(model.graph.nodes[1].inputs == std::vector<std::string>{"x", "w", "fc.bias"});
  CHECK(model.graph.nodes[1].attributes.at(0).integer == 1);
  CHECK(model.graph.inputs.at(0).shape->at(0).name == "n");
  CHECK(model.graph.inputs.at(0).shape->at(1).size == 6);
  CHECK(model.graph.initializers.at("fc.weight").type() == DType::i8);
  CHECK(model.graph.initializers.at("fc.bias").shape() == Shape{4});
}

TEST_CASE("onnx reader: a file cut anywhere is an error or lacks what was cut off, never a crash") {
  const std::vector<std::byte> bytes = read_file(folder / "conv_net.onnx");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(onnx::import_network(onnx::parse_model(std::span(bytes).first(size), "cut.onnx", folder), "cut.onnx"), Error);
  }
}

TEST_CASE("onnx reader: tensors of every type") {
  const auto tensor = [](std::int32_t type, auto write) {
    return parsed(with_tensor([&](protozero::pbf_writer& t) {
             t.add_int64(1, 2);
             t.add_int32(2, type);
             write(t);
           }))
        .graph.initializers.at("w");
  };
  const auto raw = [](const char* bytes, std::size_t size) {
    return [=](protozero::pbf_writer& t) { t.add_bytes(9, bytes, size); };
  };
  const std::int32_t halves[] = {0x3C00, 0xC000};
  const std::int64_t wide[] = {-1, 7};
  const float singles[] = {0.5f, -2};
  CHECK(tensor(1, [&](auto& t) { t.add_packed_float(4, singles, singles + 2); }).template values<float>()[1] == -2);
  CHECK(tensor(10, [&](auto& t) { t.add_packed_int32(5, halves, halves + 2); }).template values<float>()[1] == -2);
  CHECK(tensor(10, raw("\0\x3C\0\xC0", 4)).values<float>()[0] == 1);
  CHECK(tensor(16, raw("\x80\x3F\0\xC0", 4)).values<float>()[1] == -2);
  CHECK(tensor(7, [&](auto& t) { t.add_packed_int64(7, wide, wide + 2); }).template values<std::int64_t>()[0] == -1);
  CHECK(tensor(5, raw("\xFF\xFF\x01\0", 4)).values<std::int32_t>()[0] == -1);
  CHECK(tensor(4, raw("\xFF\xFF\x01\0", 4)).values<std::int32_t>()[0] == 65535);
  CHECK(tensor(12, raw("\xFF\xFF\xFF\xFF\x01\0\0\0", 8)).values<std::int64_t>()[0] == 4294967295);
  CHECK(tensor(9, raw("\0\1", 2)).values<std::uint8_t>()[1] == 1);
}

TEST_CASE("onnx reader: claims that the bytes do not bear out") {
  const auto with = [](std::vector<std::int64_t> dims, std::int32_t type, std::size_t bytes) {
    return with_tensor([&](protozero::pbf_writer& t) {
      t.add_packed_int64(1, dims.begin(), dims.end());
      t.add_int32(2, type);
      t.add_bytes(9, std::string(bytes, '\0'));
    });
  };
  refuse(with({1 << 30, 1 << 20}, 1, 8),
         "net.onnx: tensor \"w\": 8 bytes of data, expected 4503599627370496 for [1073741824, 1048576] float");
  refuse(with({std::int64_t{1} << 61}, 1, 8), "net.onnx: tensor \"w\": [2305843009213693952] is larger than any file");
  refuse(with({std::int64_t{1} << 40, std::int64_t{1} << 40}, 1, 8),
         "net.onnx: tensor \"w\": dims: shape: the number of elements does not fit into 63 bits");
  refuse(with({-2}, 1, 8), "net.onnx: tensor \"w\": dims: shape: axis 0 has the negative size -2");
  refuse(with({3}, 1, 8), "net.onnx: tensor \"w\": 8 bytes of data, expected 12 for [3] float");
  refuse(with({2}, 8, 8), "net.onnx: tensor \"w\": elements are string, expected numbers");
  refuse(with({2}, 99, 8), "net.onnx: tensor \"w\": elements are type 99, expected numbers");
  refuse(with(std::vector<std::int64_t>(9, 1), 1, 4), "net.onnx: tensor \"w\": 9 dims, expected at most 8");
  refuse(with_tensor([](protozero::pbf_writer& t) {
           t.add_int64(1, 5);
           t.add_int32(2, 1);
         }),
         "net.onnx: tensor \"w\": 0 elements of float, expected 5 for [5]");
  refuse("", "net.onnx: not an ONNX file, or truncated: it holds no graph");
  refuse(std::string("\x3a\x05", 2), "net.onnx: not an ONNX file, or truncated: model: field 7: end of buffer exception");
  refuse(std::string("\x38\x05", 2), "net.onnx: not an ONNX file, or truncated: model: field 7: of another type than expected");
}

TEST_CASE("onnx reader: external data stays beside the model and has the size that the tensor says") {
  const TemporaryFolder temporary;
  write_file_atomically(temporary / "data.bin", std::vector<std::byte>(8));
  const auto tensor = [&](std::vector<std::pair<std::string, std::string>> entries) {
    const std::string bytes = with_tensor([&](protozero::pbf_writer& t) {
      t.add_int64(1, 2);
      t.add_int32(2, 1);
      t.add_enum(14, 1);
      for (const auto& [key, text] : entries) {
        std::string entry;
        protozero::pbf_writer e(entry);
        e.add_string(1, key);
        e.add_string(2, text);
        t.add_message(13, entry);
      }
    });
    return onnx::parse_model(std::as_bytes(std::span(bytes)), "net.onnx", temporary.path());
  };
  const auto refuse_external = [&](std::vector<std::pair<std::string, std::string>> entries, const std::string& message) {
    CHECK_THROWS_WITH_AS(tensor(std::move(entries)), ("net.onnx: tensor \"w\": external data" + message).c_str(), Error);
  };
  CHECK(tensor({{"location", "data.bin"}}).graph.initializers.at("w").size() == 2);
  refuse_external({}, " without a location, expected the name of a file");
  refuse_external({{"location", "../data.bin"}}, " in \"../data.bin\", expected a file beside the model");
  refuse_external({{"location", "/etc/hosts"}}, " in \"/etc/hosts\", expected a file beside the model");
  refuse_external({{"location", "data.bin"}, {"offset", "x"}}, ": offset is \"x\", expected a number of bytes");
  refuse_external({{"location", "data.bin"}, {"length", "4"}}, " of 4 bytes, expected 8");
  const std::string data = (temporary / "data.bin").string(), gone = (temporary / "gone.bin").string();
  refuse_external({{"location", "data.bin"}, {"offset", "4"}}, ": " + data + ": has 8 bytes, expected 8 from byte 4 on");
  refuse_external({{"location", "gone.bin"}}, ": " + gone + ": cannot be opened: No such file or directory");
}
