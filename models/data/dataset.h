#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor.h"

namespace safer {

/// Which samples of a source are wanted. Training and calibration samples are never test samples.
enum class Split { training, calibration, test };

struct Dataset {
  std::string name;
  Tensor inputs;                     // [n, sample...] f32
  std::vector<std::int64_t> labels;  // [n], each in 0..classes-1; empty: none are known
  int classes = 0;                   // 0 without labels

  std::int64_t size() const { return inputs.shape().rank() ? inputs.shape()[0] : 0; }
  /// The shape of one sample, without the batch axis.
  Shape sample_shape() const;
  /// Samples begin..end-1. Throws Error when out of range.
  Dataset slice(std::int64_t begin, std::int64_t end) const;
  /// The samples with these indices, in this order. Throws Error when one is out of range.
  Dataset select(std::span<const std::int64_t> indices) const;
};

/// Samples that are read when they are asked for, so that no more of them than needed are in memory.
struct DataSource {
  std::string name;
  std::int64_t size = 0;
  std::vector<std::int64_t> labels;  // as those of a Dataset
  int classes = 0;
  /// The inputs of samples begin..end-1, which must be in range: f32 [end - begin, sample...]. May be called from any thread, by
  /// one at a time. Throws Error when they cannot be read.
  std::function<Tensor(std::int64_t begin, std::int64_t end)> read;

  /// All samples.
  Dataset load() const { return {name, read(0, size), labels, classes}; }
};
/// Samples that are in memory already.
DataSource source_of(Dataset data);

/// A random part of a source, the same for the same seed.
struct Subset {
  std::int64_t samples = 0;  // at most; 0: all there are
  std::uint64_t seed = 0;
};
/// The chosen ones of the indices 0..size-1, in increasing order.
std::vector<std::int64_t> choose(std::int64_t size, const Subset& subset);

}  // namespace safer
