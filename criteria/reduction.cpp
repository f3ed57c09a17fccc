#include "criteria/reduction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "criteria/names.h"
#include "engine/error.h"

namespace safer {
namespace {

/// Sum of f(phi_i). Blocks keep the rounding error near that of pairwise summation; the lanes break the chain of dependent
/// additions.
template <class F>
double ordered_sum(std::span<const double> phi, const F& f) {
  constexpr std::size_t block = 4096, lanes = 8;
  double total = 0;
  for (std::size_t begin = 0; begin < phi.size(); begin += block) {
    const std::span<const double> part = phi.subspan(begin, std::min(block, phi.size() - begin));
    std::array<double, lanes> lane{};
    std::size_t i = 0;
    for (; i + lanes <= part.size(); i += lanes)
      for (std::size_t k = 0; k < lanes; ++k) lane[k] += f(part[i + k]);
    for (; i < part.size(); ++i) lane[0] += f(part[i]);
    double sum = 0;
    for (const double value : lane) sum += value;
    total += sum;
  }
  return total;
}

double l1(std::span<const double> phi, std::span<double>) {
  return ordered_sum(phi, [](double value) { return std::abs(value); });
}

double l2(std::span<const double> phi, std::span<double>) {
  return std::sqrt(ordered_sum(phi, [](double value) { return value * value; }));
}

double linf(std::span<const double> phi, std::span<double>) {
  double largest = 0;
  for (const double value : phi) {
    const double magnitude = std::abs(value);
    if (magnitude > largest || std::isnan(magnitude)) largest = magnitude;  // nothing is > NaN: it stays
  }
  return largest;
}

double mean(std::span<const double> phi, std::span<double> scratch) { return l1(phi, scratch) / static_cast<double>(phi.size()); }

double rms(std::span<const double> phi, std::span<double> scratch) {
  return l2(phi, scratch) / std::sqrt(static_cast<double>(phi.size()));
}

/// The element at place floor((n - 1) percent / 100) of the sorted magnitudes: numpy.percentile(method="lower").
template <std::size_t percent>
double percentile(std::span<const double> phi, std::span<double> scratch) {
  for (std::size_t i = 0; i < phi.size(); ++i) {
    scratch[i] = std::abs(phi[i]);
    if (std::isnan(scratch[i])) return std::numeric_limits<double>::quiet_NaN();  // unordered: not for nth_element
  }
  const auto nth = scratch.begin() + static_cast<std::ptrdiff_t>((phi.size() - 1) * percent / 100);
  std::nth_element(scratch.begin(), nth, scratch.begin() + static_cast<std::ptrdiff_t>(phi.size()));
  return *nth;
}

constexpr Reduction table[] = {
    {"mean", "sum(s) / n", mean},
    {"p50", "median of s, the lower one", percentile<50>},
    {"p75", "75th percentile of s", percentile<75>},
    {"p90", "90th percentile of s", percentile<90>},
    {"p95", "95th percentile of s", percentile<95>},
    {"p99", "99th percentile of s", percentile<99>},
    {"l1", "sum(s)", l1},
    {"l2", "sqrt(sum(s^2))", l2},
    {"linf", "max(s)", linf},
    {"rms", "sqrt(sum(s^2) / n)", rms},
};

}  // namespace

double Reduction::operator()(std::span<const double> phi) const {
  if (phi.empty()) throw Error("reduction '{}': no relevances to reduce; a layer needs at least one weight", name);
  std::vector<double> scratch(phi.size());
  return apply(phi, scratch);
}

std::span<const Reduction> reductions() { return table; }

const Reduction& find_reduction(std::string_view name) { return find_named("reduction", reductions(), name); }

}  // namespace safer
