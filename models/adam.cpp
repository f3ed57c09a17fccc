#include "models/adam.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"

namespace safer {

Adam::Adam(const Parameters& parameters, const AdamOptions& options, const kernels::KernelTable<float>& table)
    : table_(&table), options_(options), moments_(static_cast<std::size_t>(parameters.size())) {
  for (int id = 0; id < parameters.size(); ++id) {
    if (parameters.spec(id).role == Role::buffer) continue;
    const auto size = static_cast<std::size_t>(parameters[id].size());
    moments_[static_cast<std::size_t>(id)] = {std::vector<float>(size), std::vector<float>(size)};
  }
}

void Adam::check_finite(const Parameters& parameters, const BatchGradient<float>& gradient) const {
  for (int id = 0; id < parameters.size(); ++id) {
    if (parameters.spec(id).role == Role::buffer) continue;
    const std::span<const float> g = gradient.of(id);
    // A sum is the cheapest test; it may overflow for large numbers that are still finite.
    if (std::isfinite(table_->sum(g.data(), std::ssize(g)))) continue;
    const auto bad = std::ranges::find_if(g, [](float value) { return !std::isfinite(value); });
    if (bad != g.end())
      throw Error(
          "training step {}: the gradient of '{}' is {} at element {}; try a smaller learning rate (it is {}) or scale the inputs",
          steps_ + 1, parameters.spec(id).name, *bad, bad - g.begin(), options_.learning_rate);
  }
}

void Adam::step(Parameters& parameters, const BatchGradient<float>& gradient) {
  check_finite(parameters, gradient);
  ++steps_;
  const double t = static_cast<double>(steps_);
  const kernels::AdamStep<float> step{static_cast<float>(options_.learning_rate / (1 - std::pow(options_.beta1, t))),
                                      static_cast<float>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
                                      static_cast<float>(options_.beta1), static_cast<float>(options_.beta2),
                                      static_cast<float>(options_.epsilon)};
  constexpr std::int64_t chunk = 1 << 14;
  for (int id = 0; id < parameters.size(); ++id) {
    if (parameters.spec(id).role == Role::buffer) continue;
    Moments& moments = moments_[static_cast<std::size_t>(id)];
    float* const w = parameters.mutable_values<float>(id).data();
    const float* const g = gradient.of(id).data();
    const std::int64_t size = parameters[id].size();
    parallel_for((size + chunk - 1) / chunk, 10 * size, [&](std::int64_t c) {
      const std::int64_t from = c * chunk;
      table_->adam(w + from, moments.first.data() + from, moments.second.data() + from, g + from, std::min(chunk, size - from),
                   step);
    });
  }
}

}  // namespace safer
