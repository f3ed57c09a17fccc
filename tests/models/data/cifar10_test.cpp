#include "models/data/cifar10.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "engine/error.h"
#include "models/data/data_spec.h"
#include "models/formats/file.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

constexpr std::size_t records = 10000, record_bytes = 3073;

/// Record i of batch b has the label (i + b) % 10 and the pixel p has the value (31 i + 7 b + p) % 256.
int pixel(std::size_t record, std::size_t batch, std::size_t p) { return static_cast<int>((31 * record + 7 * batch + p) % 256); }

void write_batch(const std::filesystem::path& path, std::size_t batch) {
  std::vector<std::byte> bytes(records * record_bytes);
  for (std::size_t i = 0; i < records; ++i) {
    std::byte* const record = bytes.data() + i * record_bytes;
    record[0] = std::byte((i + batch) % 10);
    for (std::size_t p = 0; p < 3072; ++p) record[1 + p] = std::byte(pixel(i, batch, p));
  }
  write_file_atomically(path, bytes);
}

void check_sample(const Dataset& data, std::size_t sample, std::size_t record, std::size_t batch) {
  CAPTURE(sample);
  CHECK(data.labels[sample] == static_cast<std::int64_t>((record + batch) % 10));
  const auto values = data.inputs.values<float>().subspan(3072 * sample, 3072);
  bool equal = true;
  for (std::size_t p = 0; p < values.size(); ++p) equal &= values[p] == static_cast<float>(pixel(record, batch, p));
  CHECK(equal);
}

}  // namespace

TEST_CASE("cifar10: every purpose reads its own batches") {
  const TemporaryFolder folder;
  write_batch(folder / "test_batch.bin", 0);
  for (std::size_t batch = 1; batch <= 5; ++batch) write_batch(folder / ("data_batch_" + std::to_string(batch) + ".bin"), batch);
  const std::string text = "cifar10:" + folder.path().string();

  const Dataset test = load_data(text, Split::test);
  CHECK(test.name == text + ":test");
  CHECK(test.inputs.shape() == Shape{10000, 3, 32, 32});
  CHECK(test.classes == 10);
  for (const std::size_t i : {0u, 1u, 4321u, 9999u}) check_sample(test, i, i, 0);

  constexpr Subset few{.samples = 40, .seed = 7};
  const std::vector<std::int64_t> chosen = choose(50000, few);
  for (const Split purpose : {Split::training, Split::calibration}) {
    const Dataset data = load_data(text, purpose, few);
    CHECK(data.name == text + ":train");
    CHECK(data.inputs.shape() == Shape{40, 3, 32, 32});
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const auto at = static_cast<std::size_t>(chosen[i]);
      check_sample(data, i, at % records, 1 + at / records);
    }
  }
  CHECK(load_data(text + ":train", Split::test, few).name == text + ":train");
  CHECK(load_data(text + ":test", Split::test, few).name == text + ":test");
  CHECK_THROWS_WITH_AS(
      load_data(text + ":test", Split::calibration),
      ("data '" + text + ":test': test images are not for calibration; write " + text + " and each purpose gets its own images")
          .c_str(),
      Error);
}

TEST_CASE("cifar10: refuses other files") {
  const TemporaryFolder folder;
  const auto refuses = [&](const std::string& message) {
    CHECK_THROWS_WITH_AS(load_cifar10(folder.path(), true), message.c_str(), Error);
  };
  const std::string path = (folder / "test_batch.bin").string();
  refuses(path + ": cannot be opened: No such file or directory");
  write_file_atomically(path, std::vector<std::byte>(3073));
  refuses(path + ": 3073 bytes, expected 30730000 (10000 records of 3073); is it from cifar-10-binary.tar.gz?");
  std::vector<std::byte> bytes(records * record_bytes);
  bytes[2 * record_bytes] = std::byte{10};
  write_file_atomically(path, bytes);
  refuses(path + ": record 2 has the label 10, expected 0 to 9");
  CHECK_THROWS_WITH_AS(load_cifar10(path, true),
                       ("cifar10: " + path + " is not a folder; expected the one unpacked from cifar-10-binary.tar.gz").c_str(),
                       Error);
}
