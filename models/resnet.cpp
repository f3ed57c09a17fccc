#include "models/resnet.h"

#include <fmt/format.h>

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

constexpr std::int64_t imagenet_classes = 1000, expansion = 4;  // of a bottleneck's last convolution

/// A 1x1 convolution where the shape changes.
Var shortcut(Var x, std::int64_t out, std::int64_t stride) {
  if (stride == 1 && x.shape()[1] == out) return x;
  return batch_norm_layer(conv_layer(x, "downsample.0", {.out = out, .taps = 1, .stride = stride}), "downsample.1");
}

Var basic_block(Var x, std::int64_t width, std::int64_t stride) {
  Var h = relu(batch_norm_layer(conv_layer(x, "conv1", {.out = width, .stride = stride, .padding = 1}), "bn1"));
  h = batch_norm_layer(conv_layer(h, "conv2", {.out = width, .padding = 1}), "bn2");
  return relu(shortcut(x, width, stride) + h);
}

Var bottleneck_block(Var x, std::int64_t width, std::int64_t stride) {
  const std::int64_t out = expansion * width;
  Var h = relu(batch_norm_layer(conv_layer(x, "conv1", {.out = width, .taps = 1}), "bn1"));
  h = relu(batch_norm_layer(conv_layer(h, "conv2", {.out = width, .stride = stride, .padding = 1}), "bn2"));
  h = batch_norm_layer(conv_layer(h, "conv3", {.out = out, .taps = 1}), "bn3");
  return relu(shortcut(x, out, stride) + h);
}

}  // namespace

Var resnet(Var x, const ResnetOptions& options) {
  Var h = relu(batch_norm_layer(conv_layer(x, "conv1", {.out = 64, .taps = 7, .stride = 2, .padding = 3}), "bn1"));
  h = max_pool2d(h, 3, {.stride = 2, .padding = 1});
  std::int64_t width = 64;
  for (std::size_t group = 0; group < options.blocks.size(); ++group, width *= 2)
    for (std::int64_t i = 0; i < options.blocks[group]; ++i) {
      const auto scope = x.tape().scope(fmt::format("layer{}.{}", group + 1, i));
      const std::int64_t stride = group > 0 && i == 0 ? 2 : 1;
      h = options.bottleneck ? bottleneck_block(h, width, stride) : basic_block(h, width, stride);
    }
  return linear_layer(flatten(global_average_pool(h)), "fc", imagenet_classes);
}

}  // namespace safer
