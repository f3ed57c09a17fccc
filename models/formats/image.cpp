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

void* allocate(std::size_t size) { return size <= largest_block ? std::malloc(size) : nullptr; }
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
};
constexpr Format formats[] = {
    {"JPEG", "\xff\xd8\xff", 512},           // a bit for each block of 8x8 pixels
    {"PNG", "\x89PNG\r\n\x1a\n", 8 * 1032},  // a bit for each pixel, of which deflate makes 1032 from one
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

ImageExtent extent_of(const Encoded& file) {
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

/// The decoder takes what a JPEG file lacks at its end for grey, so the mark of the end is looked for here. Marks never stand
/// within data, where a byte of ones is followed by zeros.
void check_scans(const Encoded& file) {
  constexpr std::string_view scan = "\xff\xda", end = "\xff\xd9";
  std::string_view rest = file.text();
  int scans = 0;
  for (std::size_t at = rest.find(scan); at != rest.npos; at = rest.find(scan), ++scans) rest.remove_prefix(at + scan.size());
  if (scans > most_scans) throw Error("{}: {} scans, expected at most {}", file.name, scans, most_scans);
  if (rest.find(end) == rest.npos) throw Error("{}: truncated: the end of a JPEG file is missing", file.name);
}

struct Free {
  void operator()(stbi_uc* pixels) const { std::free(pixels); }
};

}  // namespace

Tensor parse_image(std::span<const std::byte> bytes, std::string_view name) {
  const Encoded file = identify(bytes, name);
  const ImageExtent extent = extent_of(file);
  if (file.format.name == "JPEG") check_scans(file);
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
