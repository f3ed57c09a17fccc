#include "criteria/relevance/output_seeds.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "engine/random.h"

namespace safer {
namespace {

void softmax(std::span<const float> logits, std::span<double> p) {
  const double largest = std::ranges::max(logits);
  for (std::size_t k = 0; k < p.size(); ++k) p[k] = std::exp(logits[k] - largest);
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& probability : p) probability /= sum;
}

/// The direction in the space of outputs that a sweep asks for: an output of its own, or signs on all of them.
void direction(std::int64_t sweep, std::uint64_t sample, std::span<double> v) {
  if (std::ssize(v) <= most_output_sweeps) {
    std::ranges::fill(v, 0.0);
    v[static_cast<std::size_t>(sweep)] = 1;
    return;
  }
  const RandomField field(mix(hash("signs of outputs"), static_cast<std::uint64_t>(sweep)));
  const double size = 1 / std::sqrt(static_cast<double>(most_output_sweeps));
  for (std::size_t k = 0; k < v.size(); ++k) v[k] = field.uniform(sample, k) < 0.5f ? size : -size;
}

/// With the Jacobian dp/dz = diag(p) - p p^T of the softmax: its product with v, or that of diag(p)^(-1/2) dp/dz with v.
void through_softmax(Swept swept, std::span<const double> p, std::span<double> v) {
  double along = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    v[k] *= swept == Swept::likelihood ? std::sqrt(p[k]) : p[k];
    along += v[k];
  }
  for (std::size_t k = 0; k < p.size(); ++k) v[k] -= p[k] * along;
}

/// One logit z stands for the two classes' (0, z), of which the other one has p (1 - p) with the opposite sign.
float single_seed(Swept swept, float logit) {
  const double p = 1 / (1 + std::exp(-double{logit})), variance = p * (1 - p);
  return static_cast<float>(swept == Swept::likelihood ? std::sqrt(variance) : std::sqrt(2.0) * variance);
}

}  // namespace

std::int64_t output_sweeps(std::int64_t classes) { return std::min(classes, most_output_sweeps); }

void output_seeds(Swept swept, std::int64_t sweep, std::span<const std::int64_t> samples, std::int64_t classes,
                  std::span<const float> logits, std::span<float> seeds) {
  if (classes == 1) {
    std::ranges::transform(logits, seeds.begin(), [swept](float logit) { return single_seed(swept, logit); });
    return;
  }
  const auto width = static_cast<std::size_t>(classes);
  std::vector<double> p(width), v(width);
  for (std::size_t s = 0; s < samples.size(); ++s) {
    softmax(logits.subspan(s * width, width), p);
    direction(sweep, static_cast<std::uint64_t>(samples[s]), v);
    through_softmax(swept, p, v);
    std::ranges::transform(v, seeds.begin() + static_cast<std::ptrdiff_t>(s * width),
                           [](double x) { return static_cast<float>(x); });
  }
}

}  // namespace safer
