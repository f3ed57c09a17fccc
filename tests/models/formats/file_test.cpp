#include "models/formats/file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/temporary_folder.h"

using namespace safer;
namespace fs = std::filesystem;

namespace {

std::vector<std::byte> bytes(std::string_view text) {
  const auto view = std::as_bytes(std::span(text));
  return {view.begin(), view.end()};
}

std::ptrdiff_t files_in(const fs::path& folder) { return std::distance(fs::directory_iterator(folder), fs::directory_iterator()); }

void read_refuses(const fs::path& path, const std::string& what) {
  CHECK_THROWS_WITH_AS(read_file(path), (path.string() + what).c_str(), Error);
}

void write_refuses(const fs::path& path, const std::string& what) {
  CHECK_THROWS_WITH_AS(write_file_atomically(path, bytes("new")), (path.string() + what).c_str(), Error);
}

/// Files beyond a limit cannot be written, as if the disk were full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t limit) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{limit, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &now);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_CASE("file: what is written is read back, also when it replaces something") {
  const TemporaryFolder folder;
  for (const std::size_t size : {1u, 65535u, 65536u, 65537u, 300000u}) {
    std::vector<std::byte> contents(size);
    for (std::size_t i = 0; i < size; ++i) contents[i] = static_cast<std::byte>(i * 7 + size);
    write_file_atomically(folder / "x", contents);
    CHECK(read_file(folder / "x") == contents);
  }
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("file: reads a file that does not tell its size") {
  if (!fs::exists("/proc/self/maps")) {
    MESSAGE("skipped: no /proc");
    return;
  }
  CHECK(fs::file_size("/proc/self/maps") == 0);
  const std::vector<std::byte> found = read_file("/proc/self/maps");
  CHECK(found.size() > 100);
  CHECK(found.back() == std::byte{'\n'});
}

TEST_CASE("file: messages of reading") {
  const TemporaryFolder folder;
  read_refuses(folder / "none", ": cannot be opened: No such file or directory");
  read_refuses(folder.path(), ": is a directory, expected a file");
  write_file_atomically(folder / "empty", {});
  CHECK(fs::file_size(folder / "empty") == 0);
  read_refuses(folder / "empty", ": the file is empty");
  read_refuses("/proc/self/mem", ": cannot be read: Input/output error");
}

TEST_CASE("file: a part of a file, if it has one there") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "f", bytes("0123456789"));
  CHECK(read_file_part(folder / "f", 3, 4) == bytes("3456"));
  CHECK(read_file_part(folder / "f", 10, 0).empty());
  const auto refuses = [&](const char* file, std::uint64_t offset, std::uint64_t length, const std::string& what) {
    CHECK_THROWS_WITH_AS(read_file_part(folder / file, offset, length), ((folder / file).string() + what).c_str(), Error);
  };
  refuses("f", 3, 8, ": has 10 bytes, expected 8 from byte 3 on");
  refuses("f", 11, 0, ": has 10 bytes, expected 0 from byte 11 on");
  refuses("f", 5, ~std::uint64_t{0}, ": has 10 bytes, expected 18446744073709551615 from byte 5 on");
  refuses("none", 0, 1, ": cannot be opened: No such file or directory");
}

TEST_CASE("file: messages of writing") {
  const TemporaryFolder folder;
  write_refuses(folder / "none" / "x", ": cannot be written: No such file or directory");
  write_refuses(folder.path(), ": is a directory, expected the name of a file");
  write_refuses("/dev/full", ": cannot write 3 bytes: No space left on device");
}

TEST_CASE("file: a disk that is full leaves the old file and nothing else") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "x", bytes("old"));
  {
    const FullDisk full(1000);
    CHECK_THROWS_WITH_AS(write_file_atomically(folder / "x", std::vector<std::byte>(100000)),
                         ((folder / "x").string() + ": cannot write 100000 bytes: File too large").c_str(), Error);
  }
  CHECK(read_file(folder / "x") == bytes("old"));
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("file: a link keeps pointing, a device stays a device") {
  const TemporaryFolder folder;
  write_file_atomically(folder / "x", bytes("old"));
  fs::create_symlink("x", folder / "link");
  write_file_atomically(folder / "link", bytes("new"));
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_file(folder / "x") == bytes("new"));
  write_file_atomically("/dev/null", bytes("new"));
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("file: an excerpt is one line of UTF-8") {
  CHECK(excerpt("plain") == "\"plain\"");
  CHECK(excerpt("a\nb\"\\") == "\"a\\nb\\\"\\\\\"");
  CHECK(excerpt("größe") == "\"größe\"");
  CHECK(excerpt("\x93N") == "\"\xEF\xBF\xBDN\"");
  CHECK(excerpt(std::string(80, 'x')) == "\"" + std::string(80, 'x') + "\"");
  CHECK(excerpt(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "\"...");
  // The cut goes through a character.
  CHECK(excerpt(std::string(79, 'x') + "ö") == "\"" + std::string(79, 'x') + "\xEF\xBF\xBD\"...");
}
