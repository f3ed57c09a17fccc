#include "criteria/damage.h"

#include <algorithm>
#include <cmath>

namespace safer {

DamageMeter::DamageMeter(std::int64_t points, std::int64_t classes)
    : points_(static_cast<std::size_t>(points)),
      classes_(static_cast<std::size_t>(classes)),
      clean_(points_ * classes_),
      probabilities_(points_ * classes_),
      row_(classes_),
      labels_(points_) {}

void DamageMeter::set_probabilities(std::span<const float> logits, std::span<double> out) const {
  if (classes_ == 1) {
    out[0] = 1 / (1 + std::exp(-double{logits[0]}));
    return;
  }
  const double largest = std::ranges::max(logits);
  if (classes_ == 2) {
    // One difference from the largest is 0, and its exponential 1; where it is NaN, so is all that follows.
    const double d0 = double{logits[0]} - largest, d1 = double{logits[1]} - largest, e = std::exp(d0 + d1), sum = 1 + e;
    out[0] = (d0 < 0 ? e : 1) / sum;
    out[1] = (d1 < 0 ? e : 1) / sum;
    return;
  }
  double sum = 0;
  for (std::size_t c = 0; c < classes_; ++c) sum += out[c] = std::exp(double{logits[c]} - largest);
  for (std::size_t c = 0; c < classes_; ++c) out[c] /= sum;
}

std::int64_t DamageMeter::answer(std::span<const float> logits) const {
  if (std::ranges::any_of(logits, [](float z) { return std::isnan(z); })) return -1;
  if (classes_ == 1) return logits[0] > 0;
  return std::ranges::max_element(logits) - logits.begin();
}

void DamageMeter::set_clean(std::span<const float> logits, std::span<const std::int64_t> labels) {
  std::ranges::copy(logits, clean_.begin());
  right_ = 0;
  for (std::size_t p = 0; p < points_; ++p) {
    const std::span<const float> z = logits.subspan(p * classes_, classes_);
    set_probabilities(z, std::span(probabilities_).subspan(p * classes_, classes_));
    labels_[p] = labels.empty() ? answer(z) : labels[p];
    right_ += answer(z) == labels_[p];
  }
}

Damages DamageMeter::compare(std::span<const float> logits) {
  double of_logits = 0, of_probabilities = 0;
  std::int64_t right = 0;
  for (std::size_t p = 0; p < points_; ++p) {
    const std::span<const float> z = logits.subspan(p * classes_, classes_);
    set_probabilities(z, row_);
    double z2 = 0, p2 = 0;
    for (std::size_t c = 0; c < classes_; ++c) {
      const double dz = double{z[c]} - clean_[p * classes_ + c], dp = row_[c] - probabilities_[p * classes_ + c];
      z2 += dz * dz, p2 += dp * dp;
    }
    of_logits += std::sqrt(z2), of_probabilities += std::sqrt(p2);
    right += answer(z) == labels_[p];
  }
  const auto n = static_cast<double>(points_);
  return {of_logits / n, of_probabilities / n, static_cast<double>(right_ - right) / n};
}

}  // namespace safer
