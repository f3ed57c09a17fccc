#include "models/data/moons.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "engine/error.h"
#include "engine/random.h"

namespace safer {

Dataset make_moons(std::int64_t n, double noise, std::uint64_t seed, Split split) {
  constexpr std::int64_t most = 100'000'000;
  if (n < 1 || n > most) throw Error("moons: n = {} points, expected 1 to {}", n, most);
  if (!std::isfinite(noise) || noise < 0) throw Error("moons: noise = {}, expected a finite number from 0", noise);
  Random random(mix(mix(seed, hash("moons")), static_cast<std::uint64_t>(split)));
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(std::span(order));

  Dataset data{fmt::format("moons:n={},noise={},seed={}", n, noise, seed), Tensor(DType::f32, {n, 2}), {}, 2};
  data.labels.reserve(order.size());
  const std::span<float> inputs = data.inputs.mutable_values<float>();
  const std::int64_t outer = n / 2;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::int64_t label = order[i] < outer ? 0 : 1;
    const std::int64_t at = label ? order[i] - outer : order[i], count = label ? n - outer : outer;
    const double t = count > 1 ? std::numbers::pi * static_cast<double>(at) / static_cast<double>(count - 1) : 0;
    const double x = label ? 1 - std::cos(t) : std::cos(t), y = label ? 1 - std::sin(t) - 0.5 : std::sin(t);
    const double noise_x = random.normal(), noise_y = random.normal();
    inputs[2 * i] = static_cast<float>(x + noise * noise_x);
    inputs[2 * i + 1] = static_cast<float>(y + noise * noise_y);
    data.labels.push_back(label);
  }
  return data;
}

}  // namespace safer
