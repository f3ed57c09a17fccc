#include "criteria/relevance/guided_path.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace safer {
namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-9;  // of a length, below which it counts as 0
constexpr double tie = 1e-4;       // relative difference of gradients below which they count as equal, and move together
}  // namespace

GuidedPath::GuidedPath(std::span<const double> from, std::span<const double> to, int steps, double fraction, double distance)
    : from_(from.begin(), from.end()),
      way_(from.size()),
      share_(from.size()),
      position_(from_),
      attribution_(from.size()),
      magnitude_(from.size()),
      fraction_(fraction),
      distance_(distance),
      steps_(steps) {
  for (std::size_t i = 0; i < way_.size(); ++i) {
    way_[i] = to[i] - from[i];
    share_[i] = way_[i] == 0 ? 1 : 0;
    length_ += std::abs(way_[i]);
  }
}

void GuidedPath::move(std::size_t i, double to_share, double gradient) {
  attribution_[i] += (to_share - share_[i]) * way_[i] * gradient;
  share_[i] = to_share;
  position_[i] = to_share == 1 ? from_[i] + way_[i] : from_[i] + to_share * way_[i];
}

double GuidedPath::way_left() const {
  double left = 0;
  for (std::size_t i = 0; i < way_.size(); ++i) left += std::abs(way_[i]) * (1 - share_[i]);
  return left;
}

/// One round of a step: moves the coordinates with the smallest gradients towards share `furthest`, as far as the way that is left
/// must still shrink to `required`. False when that was far enough, or nothing can move.
bool GuidedPath::move_least(std::span<const double> gradient, double furthest, double required) {
  for (std::size_t i = 0; i < share_.size(); ++i) magnitude_[i] = share_[i] >= furthest ? infinity : std::abs(gradient[i]);
  order_ = magnitude_;
  const auto quantile = order_.begin() + static_cast<std::ptrdiff_t>(fraction_ * static_cast<double>(order_.size() - 1));
  std::nth_element(order_.begin(), quantile, order_.end());
  const double threshold = *quantile * (1 + tie);

  double movable = 0;
  const auto selected = [&](std::size_t i) { return magnitude_[i] <= threshold && magnitude_[i] != infinity; };
  for (std::size_t i = 0; i < share_.size(); ++i)
    if (selected(i)) movable += std::abs(way_[i]) * (furthest - share_[i]);
  if (movable <= 0) return false;
  const double part = std::max(0.0, (way_left() - required) / movable);
  const bool all = part > 1 - rounding;
  for (std::size_t i = 0; i < share_.size(); ++i)
    if (selected(i)) move(i, all ? furthest : share_[i] + part * (furthest - share_[i]), gradient[i]);
  return all;
}

void GuidedPath::advance(std::span<const double> gradient) {
  if (!std::ranges::all_of(gradient, [](double g) { return std::isfinite(g); })) {
    std::ranges::fill(attribution_, std::numeric_limits<double>::quiet_NaN());
    step_ = steps_;
    return;
  }
  ++step_;
  const double along = static_cast<double>(step_) / steps_, furthest = std::min(along + distance_, 1.0);
  const double least = std::max(along - distance_, 0.0), required = length_ * (1 - along);
  for (std::size_t i = 0; i < share_.size(); ++i)
    if (share_[i] < least) move(i, least, gradient[i]);
  // Every round but the last of a step brings coordinates to `furthest` for good. The last step ends when all are there.
  while (step_ == steps_ || way_left() - required > rounding * length_)
    if (!move_least(gradient, furthest, required)) break;
}

}  // namespace safer
