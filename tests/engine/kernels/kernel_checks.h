#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "engine/kernels/dispatch.h"
#include "engine/random.h"

/// Checks of every kernel of a float table against the double reference: one function a kernel, declared from the list of kernels,
/// so that a kernel without its check does not link.
namespace safer::kernels {

using T = float;
#define SAFER_DECLARE(kernel, ...) void check_##kernel(const KernelTable<float>& table);
SAFER_KERNELS(SAFER_DECLARE)
#undef SAFER_DECLARE
void check_unary(const KernelTable<float>& table);
void check_unary_gradient(const KernelTable<float>& table);
void check_binary(const KernelTable<float>& table);
void check_fold(const KernelTable<float>& table);

/// Distance between neighbouring floats at 1.
constexpr double eps = std::numeric_limits<float>::epsilon();
constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

/// `size` numbers that start where no vector would be aligned, between guards: intact() tells whether a kernel wrote outside.
template <class V>
class Guarded {
 public:
  explicit Guarded(std::int64_t size, V fill = V(0)) : all_(std::size_t(size + 2 * guard + 1), fill), size_(size) {
    std::fill_n(all_.begin(), guard + 1, mark);
    std::fill_n(all_.rbegin(), guard, mark);
  }
  explicit Guarded(const std::vector<V>& values) : Guarded(std::int64_t(values.size())) {
    std::copy(values.begin(), values.end(), begin());
  }
  V* data() { return all_.data() + guard + 1; }
  const V* data() const { return all_.data() + guard + 1; }
  V* begin() { return data(); }
  V* end() { return data() + size_; }
  std::int64_t size() const { return size_; }
  V& operator[](std::int64_t i) { return data()[i]; }
  V operator[](std::int64_t i) const { return data()[i]; }
  bool intact() const {
    for (std::int64_t i = 0; i < guard; ++i)
      if (all_[std::size_t(i)] != mark || data()[size_ + i] != mark) return false;
    return true;
  }

 private:
  static constexpr std::int64_t guard = 32;
  static constexpr V mark = V(-12345.5);
  std::vector<V> all_;
  std::int64_t size_;
};
using Floats = Guarded<float>;
using Doubles = Guarded<double>;

/// Uniform in (-scale, scale).
inline Floats random_floats(std::int64_t size, std::uint64_t key, float scale = 1) {
  Floats values(size);
  Random random(key);
  for (float& v : values) v = scale * float(2 * random.uniform() - 1);
  return values;
}

/// Whole numbers from -bound to bound: sums of their products are exact in float as long as they stay below 2^24.
inline Floats random_integers(std::int64_t size, std::uint64_t key, int bound = 4) {
  Floats values(size);
  Random random(key);
  for (float& v : values) v = float(int(random.below(std::uint64_t(2 * bound + 1))) - bound);
  return values;
}

inline Doubles widened(const Floats& values) {
  Doubles wide(values.size());
  std::copy_n(values.data(), values.size(), wide.data());
  return wide;
}

/// Zero signs, denormals, the ends of the range, infinities, NaN, and where functions bend, overflow or saturate.
inline Floats special_floats() {
  std::vector<float> values = {0,   1e-45f, 1e-40f, 1.17549435e-38f, 1e-20f, 1e-4f,   0.3f,    0.5f,  0.625f,
                               1,   2,      3,      3.95f,           4,      6,       9,       9.02f, 12,
                               17,  40,     87,     88.3f,           88.5f,  88.73f,  89,      100,   103.9f,
                               104, 105,    1000,   1e10f,           2e19f,  3.4e38f, infinity};
  const std::size_t half = values.size();
  for (std::size_t i = 0; i < half; ++i) values.push_back(-values[i]);
  values.push_back(nan);
  return Floats(values);
}

/// 0 .. three vectors of the widest set and one, and some that reach over the blocks that kernels cut arrays into.
inline std::vector<std::int64_t> sizes() {
  std::vector<std::int64_t> all;
  for (std::int64_t n = 0; n <= 3 * 16 + 1; ++n) all.push_back(n);
  all.insert(all.end(), {63, 64, 65, 127, 1000, 8191, 8200, 16384, 16385, 40001});
  return all;
}

/// Checks one value; `what` and `i` say which when it is wrong. NaN must meet NaN, infinity infinity, and else |got - want| <=
/// tolerance.
void check_close(float got, double want, double tolerance, std::string_view what, std::int64_t i);

}  // namespace safer::kernels
