#include "models/formats/image.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>

#include "engine/error.h"
#include "models/formats/file.h"

namespace safer {
namespace {

/// The most that one allocation of the decoder may take: data that unpacks to more than its image needs is refused.
thread_local std::size_t largest_block = 0;

/// Zeroed, since the decoder reads tables that a file refers to but lacks.
void* allocate(std::size_t size) { return size <= largest_block ? std::calloc(size, 1) : nullptr; }
void* reallocate(void* block, std::size_t size) { return size <= largest_block ? std::realloc(block, size) : nullptr; }

}  // namespace
}  // namespace safer

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_FAILURE_USERMSG
#define STBI_MALLOC(size) safer::allocate(size)
#define STBI_REALLOC(block, size) safer::reallocate(block, size)
#define STBI_FREE(block) std::free(block)
#include <stb_image.h>

namespace safer {
namespace {

constexpr std::size_t decoder_state = std::size_t{1} << 16;
// A progressive JPEG may go over the whole image in every scan. Encoders write about ten.
constexpr int most_scans = 100;

struct Format {
  std::string_view name, signature;
  std::int64_t pixels_per_byte;  // at most
  bool segments;                 // whether check_segments() is for it
};
constexpr Format formats[] = {
    {"JPEG", "\xff\xd8\xff", 512, true},            // a bit for each block of 8x8 pixels
    {"PNG", "\x89PNG\r\n\x1a\n", 8 * 1032, false},  // a bit for each pixel, of which deflate makes 1032 from one
};

/// An image file in memory, as the decoder sees it.
struct Encoded {
  std::span<const std::byte> bytes;
  std::string_view name;
  const Format& format;

  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  const stbi_uc* data() const { return reinterpret_cast<const stbi_uc*>(bytes.data()); }
  int size() const { return static_cast<int>(bytes.size()); }
};

Encoded identify(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto found = std::ranges::find_if(formats, [&](const Format& format) { return text.starts_with(format.signature); });
  if (found == std::end(formats))
    throw Error("{}: neither a JPEG nor a PNG file: begins with {}", name, excerpt(text.substr(0, 8)));
  if (bytes.size() > std::numeric_limits<int>::max()) throw Error("{}: {} bytes, expected less than 2 GiB", name, bytes.size());
  return {bytes, name, *found};
}

/// The code of the next JPEG marker at or behind `at`, which moves behind it; 0 where there is none. In data, a byte of ones is
/// followed by zeros, or by one of the eight marks of a restart.
int next_marker(std::string_view text, std::size_t& at) {
  for (at = text.find('\xff', at); at < text.size() - 1; at = text.find('\xff', at + 1)) {
    const int code = static_cast<unsigned char>(text[at + 1]);
    if (code == 0 || code == 0xff || (code >= 0xd0 && code <= 0xd7)) continue;
    at += 2;
    return code;
  }
  return 0;
}

std::size_t byte_at(std::string_view text, std::size_t at) { return static_cast<unsigned char>(text[at]); }

/// stb_image 2.27 writes behind its tables where one has more than 256 codes, looks the 256th up behind them, and reads on where
/// one does not fit its segment. Each is a byte of its kind, 16 numbers of codes by length, and the codes.
void check_huffman_tables(std::string_view tables, std::string_view name) {
  constexpr std::size_t lengths = 16, most_codes = 255;
  while (!tables.empty()) {
    std::size_t codes = 0;
    for (std::size_t i = 1; i <= lengths && i < tables.size(); ++i) codes += byte_at(tables, i);
    if (codes > most_codes || 1 + lengths + codes > tables.size())
      throw Error("{}: damaged JPEG file: a Huffman table of {} codes in {} bytes, expected at most {} that fit", name, codes,
                  tables.size(), most_codes);
    tables.remove_prefix(1 + lengths + codes);
  }
}

/// Follows the segments of a JPEG file to its end, which must be there: the decoder would take what is missing for grey.
void check_segments(const Encoded& file) {
  constexpr int end_of_image = 0xd9, start_of_scan = 0xda, huffman_tables = 0xc4;
  const std::string_view text = file.text();
  int scans = 0;
  for (std::size_t at = 2;;) {
    const int marker = next_marker(text, at);
    if (marker == end_of_image) return;
    const std::size_t left = text.size() - at,
                      length = marker != 0 && left >= 2 ? 256 * byte_at(text, at) + byte_at(text, at + 1) : 0;
    if (length < 2 || length > left) throw Error("{}: truncated: the end of a JPEG file is missing", file.name);
    if (marker == start_of_scan && ++scans > most_scans) throw Error("{}: more than {} scans", file.name, most_scans);
    if (marker == huffman_tables) check_huffman_tables(text.substr(at + 2, length - 2), file.name);
    at += length;
  }
}

/// What the header says, once nothing in the file can harm the decoder, which reads some tables with it.
ImageExtent extent_of(const Encoded& file) {
  if (file.format.segments) check_segments(file);
  largest_block = decoder_state;
  int width = 0, height = 0, channels = 0;
  if (!stbi_info_from_memory(file.data(), file.size(), &width, &height, &channels))
    throw Error("{}: not a readable {} file: {}", file.name, file.format.name, stbi_failure_reason());
  const std::int64_t pixels = std::int64_t{width} * height;
  if (pixels < 1 || pixels > most_pixels)
    throw Error("{}: {}x{} pixels, expected 1 to {} of them", file.name, width, height, most_pixels);
  if (pixels / file.format.pixels_per_byte > std::ssize(file.bytes))
    throw Error("{}: truncated: {} bytes cannot hold {}x{} pixels", file.name, file.bytes.size(), width, height);
  return {height, width};
}

struct Free {
  void operator()(stbi_uc* pixels) const { std::free(pixels); }
};

}  // namespace

Tensor parse_image(std::span<const std::byte> bytes, std::string_view name) {
  const Encoded file = identify(bytes, name);
  const ImageExtent extent = extent_of(file);
  // Eight bytes a pixel for 16-bit samples, with the margin of a JPEG's largest blocks; twice the file, since its parts are
  // gathered in a buffer that doubles.
  largest_block = decoder_state + 8 * static_cast<std::size_t>((extent.height + 32) * (extent.width + 32)) + 2 * bytes.size();
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, Free> pixels(stbi_load_from_memory(file.data(), file.size(), &width, &height, &channels, 3));
  if (!pixels) throw Error("{}: damaged {} file: {}", name, file.format.name, stbi_failure_reason());
  return Tensor::of<std::uint8_t>({height, width, 3},
                                  {pixels.get(), static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3});
}

Tensor read_image(const std::filesystem::path& path) { return parse_image(read_file(path), path.string()); }

ImageExtent image_extent(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return extent_of(identify(bytes, path.string()));
}

}  // namespace safer
