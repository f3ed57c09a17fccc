#include "models/cifar_resnet.h"

#include <fmt/format.h>

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

/// Every second pixel of x, and as many channels of zeros before as behind it.
Var shortcut(Var x, std::int64_t out) {
  const std::int64_t zeros = (out - x.shape()[1]) / 2;
  return pad(slice(slice(x, 2, 0, x.shape()[2], 2), 3, 0, x.shape()[3], 2), {0, zeros, 0, 0}, {0, zeros, 0, 0});
}

Var block(Var x, std::int64_t out, std::int64_t stride) {
  Var h = relu(batch_norm_layer(conv_layer(x, "conv1", {.out = out, .stride = stride, .padding = 1}), "bn1"));
  h = batch_norm_layer(conv_layer(h, "conv2", {.out = out, .padding = 1}), "bn2");
  return relu((stride == 1 ? x : shortcut(x, out)) + h);
}

}  // namespace

Var cifar_resnet(Var x, std::int64_t blocks) {
  constexpr std::int64_t channels[] = {16, 32, 64}, classes = 10;
  Var h = relu(batch_norm_layer(conv_layer(x, "conv1", {.out = channels[0], .padding = 1}), "bn1"));
  for (int group = 0; group < 3; ++group)
    for (std::int64_t i = 0; i < blocks; ++i) {
      const auto scope = x.tape().scope(fmt::format("layer{}.{}", group + 1, i));
      h = block(h, channels[group], group > 0 && i == 0 ? 2 : 1);
    }
  return linear_layer(flatten(global_average_pool(h)), "linear", classes);
}

}  // namespace safer
