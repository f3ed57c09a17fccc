#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

namespace safer::test {

inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

inline double total(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

inline double distance(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace safer::test
