#pragma once

#include <span>
#include <vector>

#include "criteria/relevance/criterion.h"

namespace safer {

/// phi_i = sum over the steps j of a path from 0 to W of (f_{j+1} - f_j) g_{j,i}^2 / sum_k g_{j,k}^2: each change of the mean
/// target f is shared among the weights in proportion to the squares of the mean gradient before it. SAfER expands the acronym as a
/// variant of guided IG; the original is "important direction gradient integration" and rides on any path, here the straight one.
/// Whatever the number of steps, the sum of phi is f(W) - f(0).
extern const Criterion idgi_criterion;

/// The sum over steps of phi. A step without a gradient has no direction: its change goes to the next step, or the last ones' to
/// the step before them.
class DirectionSum {
 public:
  explicit DirectionSum(std::size_t weights) : sum_(weights), squares_(weights) {}
  /// One step: the gradient at its begin and the change of f along it.
  void add(std::span<const double> gradient, double change);
  /// phi, once all steps have been added. All 0 when no step had a gradient.
  std::span<const double> finish();

 private:
  void share(double change);
  std::vector<double> sum_, squares_;  // squares of the last gradient that was not 0
  double total_ = 0;                   // of squares_
  double waiting_ = 0;                 // change that has found no direction yet
};

}  // namespace safer
