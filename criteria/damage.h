#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace safer {

/// What a perturbation does to the outputs, as a mean over points: the Euclidean distance between the logits with and without it,
/// that between the softmax probabilities, and the share of right answers that is lost.
enum class Damage { logits, probabilities, accuracy };
constexpr int damage_count = 3;
constexpr std::array<std::string_view, damage_count> damage_names = {"logits", "probabilities", "accuracy"};
using Damages = std::array<double, damage_count>;  // by Damage
constexpr double of(const Damages& damages, Damage kind) { return damages[static_cast<std::size_t>(kind)]; }

/// Compares perturbed outputs with those of the network as it is. Allocates nothing once it is made. A network with one logit has
/// the probability sigmoid(logit) of class 1, and answers 1 where the logit is positive.
class DamageMeter {
 public:
  DamageMeter(std::int64_t points, std::int64_t classes);

  /// The unperturbed logits [points, classes], and the right answers [points]; without any, the network's own count as right.
  void set_clean(std::span<const float> logits, std::span<const std::int64_t> labels);
  /// NaN or infinite where the logits are, except for the accuracy: a NaN is a wrong answer.
  Damages compare(std::span<const float> logits);

 private:
  std::size_t points_, classes_;
  std::vector<float> clean_;
  std::vector<double> probabilities_, row_;  // [points, classes], [classes]
  std::vector<std::int64_t> labels_;
  std::int64_t right_ = 0;
};

}  // namespace safer
