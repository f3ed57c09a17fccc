#include "models/data/dataset.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {

Shape Dataset::sample_shape() const {
  const Shape& shape = inputs.shape();
  return Shape(std::span<const std::int64_t>(shape.begin(), shape.end()).subspan(shape.rank() ? 1 : 0));
}

Dataset Dataset::slice(std::int64_t begin, std::int64_t end) const {
  if (begin < 0 || begin > end || end > size())
    throw Error("{}: samples {} to {} are out of range, there are {}", name, begin, end, size());
  std::vector<std::int64_t> indices(static_cast<std::size_t>(end - begin));
  std::iota(indices.begin(), indices.end(), begin);
  return select(indices);
}

Dataset Dataset::select(std::span<const std::int64_t> indices) const {
  for (const std::int64_t index : indices)
    if (index < 0 || index >= size()) throw Error("{}: sample {} is out of range, there are {}", name, index, size());
  Shape shape = inputs.shape();
  shape[0] = static_cast<std::int64_t>(indices.size());
  Dataset result{name, Tensor(inputs.type(), shape), {}, classes};
  const std::size_t bytes = size() ? inputs.bytes() / static_cast<std::size_t>(size()) : 0;
  std::byte* to = result.inputs.mutable_raw();
  for (const std::int64_t index : indices) {
    if (bytes) std::memcpy(to, inputs.raw() + static_cast<std::size_t>(index) * bytes, bytes);
    to += bytes;
    if (!labels.empty()) result.labels.push_back(labels[static_cast<std::size_t>(index)]);
  }
  return result;
}

DataSource source_of(Dataset data) {
  DataSource source{data.name, data.size(), data.labels, data.classes, {}};
  source.read = [data = std::move(data)](std::int64_t begin, std::int64_t end) {
    return begin == 0 && end == data.size() ? data.inputs : data.slice(begin, end).inputs;
  };
  return source;
}

std::vector<std::int64_t> choose(std::int64_t size, const Subset& subset) {
  std::vector<std::int64_t> indices(static_cast<std::size_t>(size));
  std::iota(indices.begin(), indices.end(), 0);
  if (subset.samples <= 0 || subset.samples >= size) return indices;
  Random random(mix(subset.seed, hash("subset")));
  for (std::int64_t i = 0; i < subset.samples; ++i) {
    const auto other = i + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size - i)));
    std::swap(indices[static_cast<std::size_t>(i)], indices[static_cast<std::size_t>(other)]);
  }
  indices.resize(static_cast<std::size_t>(subset.samples));
  std::ranges::sort(indices);
  return indices;
}

}  // namespace safer
