#include "criteria/relevance/idgi.h"

#include <algorithm>
#include <cstddef>

namespace safer {
namespace {

constexpr double no_gradient = 1e-30;  // sum of squares

Needs needs(PresetId) { return {Probe::path_changes}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double) {
  std::ranges::copy(sum, phi.begin());
}

}  // namespace

constinit const Criterion idgi_criterion = {"idgi",
                                            {"sum_j df_j E[g_j]^2 / |E[g_j]|^2", "sum_j df_j E[g_j]^2 / |E[g_j]|^2"},
                                            "SAfER, criterion IDGI; Yang et al. 2023, algorithm 1",
                                            "a layer: steps (F + B) from that layer on; joint: steps (F + B)",
                                            needs,
                                            finish};

void DirectionSum::share(double change) {
  for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += change * squares_[i] / total_;
}

void DirectionSum::add(std::span<const double> gradient, double change) {
  double total = 0;
  for (const double g : gradient) total += g * g;
  waiting_ += change;
  if (total < no_gradient) return;  // false for NaN, which must spoil the sum
  for (std::size_t i = 0; i < squares_.size(); ++i) squares_[i] = gradient[i] * gradient[i];
  total_ = total;
  share(waiting_);
  waiting_ = 0;
}

std::span<const double> DirectionSum::finish() {
  if (waiting_ != 0 && total_ != 0) share(waiting_);
  waiting_ = 0;
  return sum_;
}

}  // namespace safer
