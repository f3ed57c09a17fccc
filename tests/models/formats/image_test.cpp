#include "models/formats/image.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "models/formats/file.h"
#include "models/formats/npy.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden/images";

struct Difference {
  double mean = 0;
  int largest = 0;
};

/// Between two tensors u8 of one shape.
Difference difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.shape() == b.shape());
  Difference found;
  for (std::size_t i = 0; i < a.bytes(); ++i) {
    const int off = std::abs(int{a.values<std::uint8_t>()[i]} - int{b.values<std::uint8_t>()[i]});
    found.mean += static_cast<double>(off) / static_cast<double>(a.size());
    found.largest = std::max(found.largest, off);
  }
  return found;
}

std::vector<std::byte> golden_bytes(const char* name) { return read_file(golden / name); }

void refuses(std::span<const std::byte> bytes, const std::string& message) {
  CHECK_THROWS_WITH_AS(parse_image(bytes, "x"), message.c_str(), Error);
}

/// The position of a marker's code in a JPEG file.
std::size_t find_marker(const std::vector<std::byte>& bytes, unsigned char code) {
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i)
    if (bytes[i] == std::byte{0xff} && bytes[i + 1] == std::byte{code}) return i;
  FAIL("no such marker");
  return 0;
}

/// Reads or refuses with one line that begins with the name; anything else fails the test.
bool reads(std::span<const std::byte> bytes) try { return parse_image(bytes, "x").size() > 0; } catch (const Error& error) {
  const std::string_view message = error.what();
  if (!message.starts_with("x: ") || message.find('\n') != message.npos) FAIL_CHECK("message " << message);
  return false;
}

}  // namespace

TEST_CASE("image: PNG files give the pixels that Pillow reads") {
  for (const std::string name : {"rgb", "palette", "grey_alpha", "bits", "interlaced", "deep"}) {
    CAPTURE(name);
    CHECK(difference(read_image(golden / (name + ".png")), read_npy(golden / (name + ".npy"))).largest == 0);
    CHECK(image_extent(golden / (name + ".png")) == ImageExtent{19, 29});
  }
}

TEST_CASE("image: JPEG files give the pixels that Pillow reads, but for rounding") {
  // The standard leaves the rounding of the inverse cosine transform and the way colours are spread out to the decoder.
  for (const std::string name : {"baseline", "grey", "subsampled", "progressive"}) {
    const Difference off = difference(read_image(golden / (name + ".jpg")), read_npy(golden / (name + ".npy")));
    CAPTURE(name);
    CAPTURE(off.largest);
    CHECK(off.mean < 0.5);
    CHECK(off.largest <= 3);
    CHECK(image_extent(golden / (name + ".jpg")) == ImageExtent{19, 29});
  }
}

TEST_CASE("image: refuses other files") {
  refuses(std::as_bytes(std::span("GIF89a..")), "x: neither a JPEG nor a PNG file: begins with \"GIF89a..\"");
  refuses({}, "x: neither a JPEG nor a PNG file: begins with \"\"");
  const TemporaryFolder folder;
  const std::string missing = (folder / "no.jpg").string();
  CHECK_THROWS_WITH_AS(read_image(missing), (missing + ": cannot be opened: No such file or directory").c_str(), Error);
}

TEST_CASE("image: refuses truncated files wherever they were cut") {
  for (const char* name : {"baseline.jpg", "progressive.jpg", "rgb.png", "palette.png"}) {
    const std::vector<std::byte> bytes = golden_bytes(name);
    CAPTURE(name);
    for (std::size_t size = 0; size + 1 < bytes.size(); ++size) {
      // Of a PNG file the mark of its end may be missing in part.
      const bool complete = size + 12 > bytes.size() && std::string_view(name).ends_with(".png");
      if (reads(std::span(bytes).first(size)) && !complete) FAIL_CHECK("read the first " << size << " bytes of " << bytes.size());
    }
  }
  std::vector<std::byte> bytes = golden_bytes("baseline.jpg");
  bytes.pop_back();
  refuses(bytes, "x: truncated: the end of a JPEG file is missing");
}

TEST_CASE("image: broken files are read or refused") {
  int read = 0;
  for (const char* name : {"baseline.jpg", "subsampled.jpg", "progressive.jpg", "rgb.png", "palette.png", "interlaced.png"}) {
    const std::vector<std::byte> whole = golden_bytes(name);
    Random random(hash(name));
    for (int mutant = 0; mutant < 300; ++mutant) {
      std::vector<std::byte> bytes = whole;
      for (std::uint64_t flips = 1 + random.below(4); flips > 0; --flips)
        bytes[random.below(bytes.size())] = static_cast<std::byte>(random.below(256));
      read += reads(bytes);
    }
  }
  CHECK(read > 100);
  CHECK(read < 1700);
}

TEST_CASE("image: what fuzzing found is read or refused") {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(SAFER_SOURCE_DIR) / "tests/fuzz/corpus/image")) {
    INFO(entry.path().filename().string());
    reads(read_file(entry.path()));
    ++files;
  }
  CHECK(files > 50);
}

TEST_CASE("image: sizes are checked before anything is allocated") {
  std::vector<std::byte> jpeg = golden_bytes("baseline.jpg");
  const std::size_t size = find_marker(jpeg, 0xc0) + 5;  // behind the marker's length and the precision
  const auto set = [&](unsigned height, unsigned width) {
    jpeg[size] = std::byte(height >> 8), jpeg[size + 1] = std::byte(height & 255);
    jpeg[size + 2] = std::byte(width >> 8), jpeg[size + 3] = std::byte(width & 255);
  };
  set(65535, 65535);
  refuses(jpeg, "x: 65535x65535 pixels, expected 1 to 67108864 of them");
  set(8000, 8000);
  refuses(jpeg, fmt::format("x: truncated: {} bytes cannot hold 8000x8000 pixels", jpeg.size()));

  std::vector<std::byte> png = golden_bytes("rgb.png");
  png[18] = png[22] = std::byte{0x10};  // 4096 + 29 by 4096 + 19
  refuses(png, fmt::format("x: truncated: {} bytes cannot hold 4125x4115 pixels", png.size()));
}

TEST_CASE("image: Huffman tables that are too large, or longer than their segment, are refused") {
  // Found by fuzzing: the decoder would write and read behind them, also when it is only asked for the size.
  const std::vector<std::byte> whole = golden_bytes("baseline.jpg");
  const std::size_t segment = find_marker(whole, 0xc4) + 2;
  std::vector<std::byte> jpeg = whole;
  jpeg[segment + 2 + 16] = std::byte{250};  // codes of 16 bits, where there were none
  CHECK_THROWS_WITH_AS(parse_image(jpeg, "x"), doctest::Contains("x: damaged JPEG file: a Huffman table of 2"), Error);
  jpeg = whole;
  jpeg[segment + 1] = std::byte{2 + 10};
  CHECK_THROWS_WITH_AS(parse_image(jpeg, "x"), doctest::Contains("codes in 10 bytes, expected at most 255 that fit"), Error);
  const TemporaryFolder folder;
  write_file_atomically(folder / "x.jpg", jpeg);
  CHECK_THROWS_WITH_AS(image_extent(folder / "x.jpg"), doctest::Contains("expected at most 255 that fit"), Error);
}

TEST_CASE("image: a PNG file's data may begin with an empty part") {
  std::vector<std::byte> png = golden_bytes("rgb.png");  // found by fuzzing
  const std::string_view empty("\0\0\0\0IDAT\x35\xaf\x06\x1e", 12);
  const auto behind_header = png.begin() + 8 + 25;
  png.insert(behind_header, reinterpret_cast<const std::byte*>(empty.data()),
             reinterpret_cast<const std::byte*>(empty.data()) + 12);
  CHECK(difference(parse_image(png, "x"), read_npy(golden / "rgb.npy")).largest == 0);
}

TEST_CASE("image: what follows the end of a JPEG file does not matter") {
  std::vector<std::byte> jpeg = golden_bytes("subsampled.jpg");
  const Tensor whole = parse_image(jpeg, "x");
  for (int i = 0; i < 200; ++i) jpeg.insert(jpeg.end(), {std::byte{0xff}, std::byte{0xda}});
  CHECK(difference(parse_image(jpeg, "x"), whole).largest == 0);
}

TEST_CASE("image: a JPEG file of very many scans is refused") {
  std::vector<std::byte> jpeg = golden_bytes("progressive.jpg");
  const std::size_t begin = find_marker(jpeg, 0xda);
  const std::vector<std::byte> scan(jpeg.begin() + static_cast<std::ptrdiff_t>(begin), jpeg.end() - 2);
  for (int copy = 0; copy < 100; ++copy) jpeg.insert(jpeg.end() - 2, scan.begin(), scan.end());
  refuses(jpeg, "x: more than 100 scans");
}
