#pragma once

#include <span>
#include <vector>

namespace safer {

/// A path between two points that moves first the coordinates with the smallest gradients (Kapishnikov et al. 2021, "Guided
/// integrated gradients", algorithm 1), and the integral of the gradient along it. In T steps, each of which takes 1 / T of the way
/// in the L1 norm; each coordinate stays within `distance` of where the straight path would have it, so that 0 is the straight
/// path. Gradients that differ by less than 0.01 % move together, as equal ones do: the two rows of a head with two logits have
/// gradients of one size, and rounding must not choose between them. In double throughout.
class GuidedPath {
 public:
  /// fraction: of the coordinates that a round of a step may move. steps > 0; from and to are of one size.
  GuidedPath(std::span<const double> from, std::span<const double> to, int steps, double fraction, double distance);

  bool done() const { return step_ == steps_; }
  /// Where the gradient is wanted next; `to` when done.
  std::span<const double> position() const { return position_; }
  /// Takes a step from position(), where this is the gradient. A gradient with NaN or infinite elements has no order: all
  /// attributions become NaN and the path is done.
  void advance(std::span<const double> gradient);
  /// The sum over moves of the move times the gradient at the begin of its step: its total is about f(to) - f(from).
  std::span<const double> attribution() const { return attribution_; }

 private:
  void move(std::size_t i, double to_share, double gradient);
  double way_left() const;
  bool move_least(std::span<const double> gradient, double furthest, double required);

  // A coordinate is at from + share (to - from); shares rise from 0 to 1, and one that need not move begins at 1.
  std::vector<double> from_, way_, share_, position_, attribution_;
  std::vector<double> magnitude_;  // scratch: |gradient| of those that may still move, infinite for the others
  std::vector<double> order_;      // scratch for its quantile
  double length_ = 0;              // of the path, L1
  double fraction_, distance_;
  int step_ = 0, steps_;
};

}  // namespace safer
