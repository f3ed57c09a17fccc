#include "models/data/cifar10.h"

#include <algorithm>

#include "engine/error.h"
#include "models/formats/file.h"

namespace safer {
namespace {

constexpr std::int64_t records = 10000, record_bytes = 1 + 3 * 32 * 32;

std::vector<std::byte> read_batch(const std::filesystem::path& path) {
  std::vector<std::byte> bytes = read_file(path);
  if (bytes.size() != records * record_bytes)
    throw Error("{}: {} bytes, expected {} ({} records of {}); is it from cifar-10-binary.tar.gz?", path.string(), bytes.size(),
                records * record_bytes, records, record_bytes);
  return bytes;
}

}  // namespace

Dataset load_cifar10(const std::filesystem::path& folder, bool test, const Subset& subset, const PixelScaling& pixels) {
  if (!std::filesystem::is_directory(folder))
    throw Error("cifar10: {} is not a folder; expected the one unpacked from cifar-10-binary.tar.gz", folder.string());
  const std::int64_t batches = test ? 1 : 5;
  const std::vector<std::int64_t> chosen = choose(batches * records, subset);
  Dataset data{fmt::format("cifar10:{}:{}", folder.string(), test ? "test" : "train"),
               Tensor(DType::f32, {static_cast<std::int64_t>(chosen.size()), 3, 32, 32}),
               {},
               10};
  float* to = data.inputs.mutable_values<float>().data();
  auto next = chosen.begin();
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    const std::filesystem::path path = folder / (test ? "test_batch.bin" : fmt::format("data_batch_{}.bin", batch + 1));
    const std::vector<std::byte> bytes = read_batch(path);
    for (; next != chosen.end() && *next / records == batch; ++next) {
      const std::byte* const record = bytes.data() + *next % records * record_bytes;
      const auto label = std::to_integer<std::int64_t>(record[0]);
      if (label > 9) throw Error("{}: record {} has the label {}, expected 0 to 9", path.string(), *next % records, label);
      data.labels.push_back(label);
      to = std::transform(record + 1, record + record_bytes, to,
                          [](std::byte pixel) { return static_cast<float>(std::to_integer<int>(pixel)); });
    }
  }
  scale_pixels(data.inputs, pixels);
  return data;
}

}  // namespace safer
