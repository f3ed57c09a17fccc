#include "models/running_statistics.h"

#include <algorithm>

#include "engine/error.h"

namespace safer {
namespace {

/// to = (1 - momentum) to + momentum factor batch, for each channel
void blend(std::span<float> to, std::span<const float> batch, double momentum, double factor) {
  for (std::size_t c = 0; c < to.size(); ++c)
    to[c] = static_cast<float>((1 - momentum) * double{to[c]} + momentum * factor * double{batch[c]});
}

}  // namespace

RunningStatistics::RunningStatistics(const Tape& tape, double momentum) : momentum_(momentum) {
  if (!(momentum >= 0 && momentum <= 1)) throw Error("batch norm: momentum {}; expected 0 to 1", momentum);
  for (const Node& node : tape.nodes()) {
    const auto norm = as_batch_norm(node);
    if (!norm) continue;
    const int mean = tape.node(norm->mean).parameter, variance = tape.node(norm->variance).parameter;
    if (mean < 0 || variance < 0) continue;
    layers_.push_back({norm->x, mean, variance});
    if (std::ranges::find(reads_, norm->x) == reads_.end()) reads_.push_back(norm->x);
    const auto channels = static_cast<std::size_t>(node.type.shape[1]);
    mean_.resize(std::max(mean_.size(), channels));
    variance_.resize(mean_.size());
  }
}

void RunningStatistics::update(Parameters& parameters, const Workspace<float>& workspace) {
  for (const Layer& layer : layers_) {
    const Shape x = workspace.plan().tape().node(layer.x).type.at(workspace.batch());
    const std::int64_t channels = x[1], places = x.size(2, x.rank());
    const kernels::Images images{.samples = x[0], .channels = channels, .places = places, .step = channels * places};
    kernels::active().batch_moments(images, mean_.data(), variance_.data(), workspace.value(layer.x).data());
    const auto count = static_cast<double>(x[0] * places);
    blend(parameters.mutable_values<float>(layer.mean), mean_, momentum_, 1);
    if (count > 1) blend(parameters.mutable_values<float>(layer.variance), variance_, momentum_, count / (count - 1));
  }
}

}  // namespace safer
