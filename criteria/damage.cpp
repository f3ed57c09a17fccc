#include "criteria/damage.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace safer {
namespace {

template <class Classes>
void set_probabilities(std::span<const float> logits, std::span<double> out, Classes classes) {
  if (classes == 1) {
    out[0] = 1 / (1 + std::exp(-double{logits[0]}));
    return;
  }
  if (classes == 2) {
    const double largest = double{std::max(logits[0], logits[1])};
    // One difference from the largest is 0, and its exponential 1; where it is NaN, so is all that follows.
    const double d0 = double{logits[0]} - largest, d1 = double{logits[1]} - largest, e = std::exp(d0 + d1), sum = 1 + e;
    out[0] = (d0 < 0 ? e : 1) / sum;
    out[1] = (d1 < 0 ? e : 1) / sum;
    return;
  }
  const double largest = double{std::ranges::max(logits)};
  double sum = 0;
  for (std::size_t c = 0; c < classes; ++c) sum += out[c] = std::exp(double{logits[c]} - largest);
  for (std::size_t c = 0; c < classes; ++c) out[c] /= sum;
}

/// The first of the largest logits, or -1 where one is NaN.
template <class Classes>
std::int64_t answer(std::span<const float> logits, Classes classes) {
  if (classes == 1) return std::isnan(logits[0]) ? -1 : logits[0] > 0;
  std::size_t best = 0;
  bool bad = std::isnan(logits[0]);
  for (std::size_t c = 1; c < classes; ++c) {
    best = logits[c] > logits[best] ? c : best;
    bad = bad || std::isnan(logits[c]);
  }
  return bad ? -1 : static_cast<std::int64_t>(best);
}

/// f(classes), where two are a constant to the compiler: most of the testbed's runs end here.
template <class F>
auto with_classes(std::size_t classes, const F& f) {
  return classes == 2 ? f(std::integral_constant<std::size_t, 2>()) : f(classes);
}

}  // namespace

DamageMeter::DamageMeter(std::int64_t points, std::int64_t classes)
    : points_(static_cast<std::size_t>(points)),
      classes_(static_cast<std::size_t>(classes)),
      clean_(points_ * classes_),
      probabilities_(points_ * classes_),
      row_(classes_),
      labels_(points_) {}

void DamageMeter::set_clean(std::span<const float> logits, std::span<const std::int64_t> labels) {
  std::ranges::copy(logits, clean_.begin());
  right_ = 0;
  for (std::size_t p = 0; p < points_; ++p) {
    const std::span<const float> z = logits.subspan(p * classes_, classes_);
    set_probabilities(z, std::span(probabilities_).subspan(p * classes_, classes_), classes_);
    const std::int64_t own = answer(z, classes_);
    labels_[p] = labels.empty() ? own : labels[p];
    right_ += own == labels_[p];
  }
}

Damages DamageMeter::compare(std::span<const float> logits) {
  return with_classes(classes_, [&](auto classes) {
    double of_logits = 0, of_probabilities = 0;
    std::int64_t right = 0;
    for (std::size_t p = 0; p < points_; ++p) {
      const std::span<const float> z = logits.subspan(p * classes, classes);
      set_probabilities(z, row_, classes);
      double z2 = 0, p2 = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        const double dz = double{z[c]} - clean_[p * classes + c], dp = row_[c] - probabilities_[p * classes + c];
        z2 += dz * dz, p2 += dp * dp;
      }
      of_logits += std::sqrt(z2), of_probabilities += std::sqrt(p2);
      right += answer(z, classes) == labels_[p];
    }
    const auto n = static_cast<double>(points_);
    return Damages{of_logits / n, of_probabilities / n, static_cast<double>(right_ - right) / n};
  });
}

}  // namespace safer
