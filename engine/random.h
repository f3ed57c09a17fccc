#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace safer {

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four random words as a function of a
/// 64-bit key and a 128-bit counter. No state, hence the same numbers in whatever order or thread they are asked for.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low);

/// A well mixed 64-bit number from two (the finaliser of SplitMix64); chain it to build keys.
std::uint64_t mix(std::uint64_t a, std::uint64_t b);
/// FNV-1a of a name, for keys: the same on every platform.
std::uint64_t hash(std::string_view name);

/// Random numbers addressed by (key, sample, element).
class RandomField {
 public:
  explicit RandomField(std::uint64_t key) : key_(key) {}
  /// In [0, 1), 24 bits.
  float uniform(std::uint64_t sample, std::uint64_t element) const;
  /// out[i] = uniform(sample, first + i)
  void uniform(std::uint64_t sample, std::uint64_t first, std::span<float> out) const;
  /// out[i] = element first + i of a field of normal numbers, mean 0, variance 1, none beyond 6.7 (Box-Muller in float).
  void normal(std::uint64_t sample, std::uint64_t first, std::span<float> out) const;

 private:
  std::uint64_t key_;
};

/// to[i] = values[i] where u[i] < p, else 0, for u uniform in [0, 1) and p from 0 to 1. Each u[i] is uniform again afterwards,
/// whichever was chosen, with -log2 p or -log2(1 - p) bits less than before: it serves for some more choices. Spans of one size.
void choose(std::span<float> u, float p, std::span<const float> values, std::span<float> to);

/// A sequence of random numbers: the convenient form for shuffles, initial weights and draws of noise.
class Random {
 public:
  explicit Random(std::uint64_t key) : key_(key) {}
  std::uint64_t bits();
  double uniform();                          // in [0, 1), 53 bits
  double normal();                           // mean 0, variance 1 (Box-Muller)
  std::uint64_t below(std::uint64_t bound);  // uniform in 0..bound-1, bound > 0
  template <class T>
  void shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t key_, counter_ = 0;
  std::array<std::uint32_t, 4> block_{};
  int left_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace safer
