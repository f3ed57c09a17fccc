#pragma once

#include <cstdint>
#include <span>

namespace safer {

/// What a run gives, and what it is swept backwards from: the target's value, swept or not; the logits, not swept; or all outputs
/// in turn, so that the squares of the sweeps' gradients sum up to
///   probabilities  sum_y (d p_y / dw)^2, how far the probabilities move
///   likelihood     sum_y p_y (d log p_y / dw)^2, the diagonal of the Fisher information of the network's own answers
/// with p the softmax of the logits, or of (0, logit) where there is only one.
enum class Swept { nothing, target, logits, probabilities, likelihood };
/// Whether runs give the logits, which no target needs.
constexpr bool gives_logits(Swept swept) { return swept != Swept::nothing && swept != Swept::target; }

/// How many sweeps that takes: one for each class, or a few with random signs on all of them, whose squares have that sum as their
/// mean.
std::int64_t output_sweeps(std::int64_t classes);
constexpr std::int64_t most_output_sweeps = 16;

/// The derivative by the logits [samples, classes] of what sweep number `sweep` starts from: seeds [samples, classes]. Random signs
/// are a function of the sample's number.
void output_seeds(Swept swept, std::int64_t sweep, std::span<const std::int64_t> samples, std::int64_t classes,
                  std::span<const float> logits, std::span<float> seeds);

}  // namespace safer
