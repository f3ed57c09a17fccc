#include "models/formats/file.h"

#include <nlohmann/json.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <system_error>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {
namespace {

namespace fs = std::filesystem;

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

std::string reason(int code) { return std::generic_category().message(code); }

File open(const fs::path& path, const char* mode) {
  errno = 0;
  return File(std::fopen(path.string().c_str(), mode));
}

/// `shown` is the name that the caller knows, whatever the name of the file written to.
void write_and_close(File file, std::span<const std::byte> bytes, const fs::path& shown) {
  errno = 0;
  const bool written = bytes.empty() || std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  // Small writes reach the disk only here, so a full one is noticed here.
  const bool closed = written && std::fclose(file.release()) == 0;
  if (!closed) throw Error("{}: cannot write {} bytes: {}", shown.string(), bytes.size(), reason(errno));
}

/// A new file beside `target`, removed again unless it has been renamed.
class Temporary {
 public:
  Temporary(const fs::path& target, const fs::path& shown) {
    static std::atomic<std::uint64_t> count{0};
    const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    for (int attempt = 0; attempt < 100 && !file_; ++attempt) {
      path_ = target;
      path_ += fmt::format(".tmp-{:016x}", mix(now, ++count));
      file_ = open(path_, "wbx");
      if (!file_ && errno != EEXIST) break;
    }
    if (!file_) throw Error("{}: cannot be written: {}", shown.string(), reason(errno));
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove(path_, ignored);
  }

  File take() { return std::move(file_); }
  void become(const fs::path& target, const fs::path& shown) {
    std::error_code failure;
    fs::rename(path_, target, failure);
    if (failure) throw Error("{}: cannot be replaced: {}", shown.string(), failure.message());
    path_.clear();
  }

 private:
  fs::path path_;
  File file_;
};

}  // namespace

std::vector<std::byte> read_file(const fs::path& path) {
  std::error_code failure;
  if (fs::is_directory(path, failure)) throw Error("{}: is a directory, expected a file", path.string());
  const File file = open(path, "rb");
  if (!file) throw Error("{}: cannot be opened: {}", path.string(), reason(errno));
  // Pipes and some special files do not tell their size, so the size is only where to begin. One more byte than the size: the
  // read that fills a regular file also finds its end.
  const std::uintmax_t size = fs::file_size(path, failure);
  std::vector<std::byte> bytes(failure || size == 0 ? std::size_t{1} << 16 : static_cast<std::size_t>(size) + 1);
  std::size_t used = 0;
  for (;;) {
    used += std::fread(bytes.data() + used, 1, bytes.size() - used, file.get());
    if (used < bytes.size()) break;
    bytes.resize(2 * bytes.size());
  }
  if (std::ferror(file.get())) throw Error("{}: cannot be read: {}", path.string(), reason(errno));
  if (used == 0) throw Error("{}: the file is empty", path.string());
  bytes.resize(used);
  return bytes;
}

std::vector<std::byte> read_file_part(const fs::path& path, std::uint64_t offset, std::uint64_t length) {
  std::error_code failure;
  const std::uintmax_t size = fs::file_size(path, failure);
  if (failure) throw Error("{}: cannot be opened: {}", path.string(), failure.message());
  if (offset > size || length > size - offset)
    throw Error("{}: has {} bytes, expected {} from byte {} on", path.string(), size, length, offset);
  const File file = open(path, "rb");
  if (!file) throw Error("{}: cannot be opened: {}", path.string(), reason(errno));
  std::vector<std::byte> bytes(static_cast<std::size_t>(length));
  const bool found = std::fseek(file.get(), static_cast<long>(offset), SEEK_SET) == 0;
  if (!found || (length > 0 && std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()))
    throw Error("{}: cannot be read: {}", path.string(), reason(errno));
  return bytes;
}

void write_file_atomically(const fs::path& path, std::span<const std::byte> bytes) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (fs::is_directory(status)) throw Error("{}: is a directory, expected the name of a file", path.string());
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    File device = open(path, "wb");
    if (!device) throw Error("{}: cannot be written: {}", path.string(), reason(errno));
    return write_and_close(std::move(device), bytes, path);
  }
  const fs::path target = fs::exists(status) && fs::is_symlink(path, failure) ? fs::canonical(path, failure) : path;
  Temporary temporary(target, path);
  write_and_close(temporary.take(), bytes, path);
  temporary.become(target, path);
}

std::string excerpt(std::string_view text) {
  constexpr std::size_t longest = 80;
  const bool cut = text.size() > longest;
  const nlohmann::json value(text.substr(0, longest));
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + (cut ? "..." : "");
}

}  // namespace safer
