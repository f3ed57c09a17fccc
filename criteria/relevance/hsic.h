#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi of an output neuron = E[HSIC(m, y)]: how much the target y of a sample depends on whether the neuron is there, over random
/// masks m of which each lacks half of a layer's neurons (a row of the weight and its bias become 0). `joint`: one design for the
/// neurons of all layers, each of which a mask lacks with probability 1/10. y's kernel is exp(-(y - y')^2 / 2 width^2); the width
/// is that of a sample, the same for all layers: with one of its own each layer would look equally influential. The one criterion
/// that differentiates nothing, and the dearest. Even a neuron without influence has a value of about 1 / masks.
extern const Criterion hsic_criterion;

/// p masks of D neurons: 1 where a neuron is there.
struct Masks {
  std::size_t count = 0, neurons = 0;
  std::vector<std::uint8_t> keep;  // [p, D]

  bool keeps(std::size_t mask, std::size_t neuron) const { return keep[mask * neurons + neuron] != 0; }
};

/// A balanced design: each neuron is in exactly round(p share) of the masks, which ones follows from its key and number.
Masks balanced_masks(std::size_t count, std::size_t neurons, double share, std::uint64_t key);

/// The median of |y_i - y_j| > 0 over pairs within each of the sets, pooled; the lower one of an even number. 1 when there is no
/// such pair, NaN when a value is no finite number.
double median_distance(std::span<const std::span<const float>> sets);

/// Sums over samples of kernel matrices of outputs, and their dependence on masks.
class OutputKernel {
 public:
  explicit OutputKernel(std::size_t masks) : masks_(masks), sum_(masks * (masks - 1) / 2) {}
  /// Adds L_ij - 1 = exp(-(y_i - y_j)^2 / 2 width^2) - 1 of each sample: y [samples, p], widths [samples].
  void add(std::span<const float> y, std::span<const double> widths);
  /// hsic[d] += sum over samples of trace(K H L H) / p, K_ij = 1 + 1/2 - (m_i - m_j)^2 the kernel of the masks m of neuron
  /// `first` + d and H = 1 - 11^T / p, in the form that 0/1 masks allow: 2/p sum_ij c_i c_j L_ij, c = m - mean m.
  void add_dependence(std::span<double> hsic, const Masks& masks, std::size_t first) const;

 private:
  std::size_t masks_;
  std::vector<double> sum_;  // of L_ij - 1, j < i, row by row; the diagonal of L is 1
};

}  // namespace safer
