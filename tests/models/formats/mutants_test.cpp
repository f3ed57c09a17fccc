#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "models/formats/file.h"
#include "models/formats/npy.h"
#include "models/formats/safetensors.h"
#include "tests/allocation_counter.h"

// Files that were cut, flipped, spliced and lied in: each must be read or refused with an Error, at the cost of its size.

using namespace safer;

namespace {

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden";
using Parse = std::function<void(std::span<const std::byte>)>;

std::string text_of(std::span<const std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

class Mutator {
 public:
  /// Bytes length_at..length_at+length_bytes-1 of a file hold the length of its header, little-endian.
  Mutator(std::vector<std::string> seeds, std::size_t length_at, std::size_t length_bytes)
      : seeds_(std::move(seeds)), length_at_(length_at), length_bytes_(length_bytes) {}

  std::string mutant(std::uint64_t number) {
    random_ = Random(number);
    std::string file = seed();
    for (std::size_t left = below(2) ? 1 : 2 + below(3); left > 0; --left) change(file);
    return file;
  }

 private:
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_.below(std::max<std::size_t>(bound, 1))); }
  const std::string& seed() { return seeds_[below(seeds_.size())]; }

  void change(std::string& file) {
    switch (below(8)) {
      case 0: return file.resize(below(file.size() + 1));
      case 1: return void(file.append(below(40), static_cast<char>(below(256))));
      case 2: return flip(file);
      case 3: return splice(file);
      case 4: return void(file.erase(below(file.size()), below(20)));
      case 5: return set_length(file, interesting());
      default: return edit_number(file);
    }
  }
  void flip(std::string& file) {
    // At the beginning, where the header is, anywhere, or near the end, where only elements are.
    const std::size_t size = file.size(), where = below(3);
    const std::size_t begin = where == 2 ? size - size / 6 : 0, end = where == 0 ? std::min<std::size_t>(size, 200) : size;
    for (std::size_t left = 1 + below(4); left > 0 && begin < end; --left) {
      char& byte = file[begin + below(end - begin)];
      byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1u << below(8)));
    }
  }
  void splice(std::string& file) {
    const std::string& other = seed();
    const std::size_t from = below(other.size()), to = below(file.size() + 1);
    file.replace(to, below(2) ? 0 : below(20), other, from, below(40));
  }
  std::uint64_t interesting() {
    const std::uint64_t power = std::uint64_t{1} << below(64);
    switch (below(4)) {
      case 0: return power;
      case 1: return power - 1;
      case 2: return 0 - power;
      default: return below(300);
    }
  }
  std::uint64_t length(const std::string& file) const {
    std::uint64_t value = 0;
    if (file.size() >= length_at_ + length_bytes_) std::memcpy(&value, file.data() + length_at_, length_bytes_);
    return value;
  }
  void set_length(std::string& file, std::uint64_t value) const {
    if (file.size() >= length_at_ + length_bytes_) std::memcpy(file.data() + length_at_, &value, length_bytes_);
  }
  /// Puts another number in the place of one in the header; mostly also corrects the header's length, so that the lie is believed.
  void edit_number(std::string& file) {
    const std::string digits = "0123456789";
    std::vector<std::size_t> places;
    const std::size_t header = length_at_ + length_bytes_, end = std::min<std::size_t>(file.size(), header + 2000);
    for (std::size_t i = header; i < end; ++i)
      if (digits.find(file[i]) != digits.npos && digits.find(file[i - 1]) == digits.npos) places.push_back(i);
    if (places.empty()) return;
    const std::size_t at = places[below(places.size())];
    const std::size_t count = std::min(file.find_first_not_of(digits, at), file.size()) - at;
    static const char* const odd[] = {"-1",    "1e3", "0.5", "1.0", "99999999999999999999", "9223372036854775808",
                                      "\"1\"", "[1]", "1,1", ""};
    const std::string number = below(3) ? std::to_string(interesting()) : odd[below(std::size(odd))];
    file.replace(at, count, number);
    if (below(4)) set_length(file, length(file) + number.size() - count);
  }

  std::vector<std::string> seeds_;
  std::size_t length_at_, length_bytes_;
  Random random_{0};
};

struct Outcome {
  int read = 0, refused = 0;
  std::set<std::string> reasons;  // the messages, without what is in quotes and without numbers
};

std::string reason(std::string_view message) {
  std::string kind;
  bool quoted = false;
  for (const char c : message) {
    if (c == '"') quoted = !quoted;
    if (!quoted && !(c >= '0' && c <= '9')) kind += c;
  }
  return kind;
}

/// Parses mutant after mutant and checks what each may do.
Outcome run(Mutator mutator, int mutants, const Parse& parse) {
  Outcome outcome;
  for (int i = 0; i < mutants; ++i) {
    const std::string file = mutator.mutant(static_cast<std::uint64_t>(i));
    std::string message;
    message.reserve(500);  // so that keeping the message does not count as the parser's allocation
    const AllocationCounter counter;
    try {
      parse(bytes_of(file));
    } catch (const Error& error) {
      message = error.what();
      const bool good = message.starts_with("x: ") && message.find('\n') == message.npos && message.size() < 500;
      if (!good) FAIL_CHECK("mutant " << i << ": message " << message);
    } catch (const std::exception& error) {
      FAIL_CHECK("mutant " << i << ": not an Error but " << error.what());
    }
    if (counter.peak_bytes() > static_cast<std::int64_t>(8 * file.size()) + 64 * 1024)
      FAIL_CHECK("mutant " << i << " of " << file.size() << " bytes: allocated " << counter.peak_bytes());
    if (counter.bytes() != 0) FAIL_CHECK("mutant " << i << ": " << counter.bytes() << " bytes were not freed");
    ++(message.empty() ? outcome.read : outcome.refused);
    if (!message.empty()) outcome.reasons.insert(reason(message));
  }
  MESSAGE(mutants << " mutants: " << outcome.read << " read, " << outcome.refused << " refused for " << outcome.reasons.size()
                  << " reasons");
  return outcome;
}

std::vector<std::string> golden_files(std::initializer_list<const char*> names) {
  std::vector<std::string> files;
  for (const char* name : names) files.push_back(text_of(read_file(golden / name)));
  return files;
}

/// Equal to the last bit, NaNs too.
bool same(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() && (a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

void read_npy_and_again(std::span<const std::byte> bytes) {
  const Tensor tensor = parse_npy(bytes, "x");
  if (!same(parse_npy(npy_bytes(tensor), "x"), tensor)) FAIL_CHECK("not the same when written and read again");
}

void read_safetensors_and_again(std::span<const std::byte> bytes) {
  const Safetensors found = parse_safetensors(bytes, "x");
  const Safetensors again = parse_safetensors(safetensors_bytes(found.tensors, found.metadata), "x");
  bool equal = again.metadata == found.metadata && again.tensors.size() == found.tensors.size();
  for (const NamedTensor& tensor : found.tensors)
    equal = equal && std::ranges::any_of(again.tensors, [&](const NamedTensor& other) {
              return other.name == tensor.name && same(other.value, tensor.value);
            });
  if (!equal) FAIL_CHECK("not the same when written and read again");
}

constexpr int mutants = 10'000;

}  // namespace

TEST_CASE("mutants: npy, version 1") {
  auto seeds =
      golden_files({"f4.npy", "b1.npy", "scalar.npy", "vector.npy", "empty.npy", "rank8.npy", "fortran2.npy", "fortran4.npy"});
  seeds.push_back(text_of(npy_bytes(Tensor(DType::f64, {100, 9, 7}))));
  const Outcome outcome = run(Mutator(seeds, 8, 2), mutants, read_npy_and_again);
  // Else the mutants would be too wild or too much alike to test anything.
  CHECK(outcome.read > mutants / 50);
  CHECK(outcome.reasons.size() > 50);
}

TEST_CASE("mutants: npy, versions 2 and 3, whose headers may claim 4 GB") {
  const Outcome outcome = run(Mutator(golden_files({"version2.npy", "version3.npy"}), 8, 4), mutants, read_npy_and_again);
  CHECK(outcome.read > mutants / 50);
  CHECK(outcome.reasons.size() > 40);
}

TEST_CASE("mutants: safetensors") {
  auto seeds = golden_files({"reference.safetensors", "half.safetensors"});
  const std::vector<NamedTensor> large = {{"weight", Tensor(DType::f32, {64, 100})}, {"bias", Tensor(DType::f32, {64})}};
  seeds.push_back(text_of(safetensors_bytes(large, {{"model", "large"}})));
  const Outcome outcome = run(Mutator(seeds, 0, 8), mutants, read_safetensors_and_again);
  CHECK(outcome.read > mutants / 50);
  CHECK(outcome.reasons.size() > 200);
}

TEST_CASE("mutants: a header of nothing but tiny tensors costs a multiple of its size") {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < 20'000; ++i) tensors.push_back({std::to_string(i), Tensor(DType::u8, {0})});
  const std::vector<std::byte> bytes = safetensors_bytes(tensors);
  const AllocationCounter counter;
  CHECK(parse_safetensors(bytes, "x").tensors.size() == tensors.size());
  MESSAGE(bytes.size() << " bytes, peak " << counter.peak_bytes());
  CHECK(counter.peak_bytes() < static_cast<std::int64_t>(16 * bytes.size()));
}

TEST_CASE("mutants: a header of nested brackets is refused at the first of them") {
  std::string header = "{\"a\":" + std::string(1'000'000, '[');
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  file += header;
  const AllocationCounter counter;
  CHECK_THROWS_WITH_AS(parse_safetensors(bytes_of(file), "x"), "x: tensor \"a\": found an array, expected an object", Error);
  CHECK(counter.peak_bytes() < 64 * 1024);
}
