#include "models/resnet8.h"

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

Var conv(Var x, std::string_view name, std::int64_t out, std::int64_t taps, std::int64_t stride) {
  return conv_layer(x, name, {.out = out, .taps = taps, .stride = stride, .padding = same_padding(x, taps, stride), .bias = true});
}

/// The shortcut has a convolution, without norm or activation, where the shape changes.
Var stack(Var x, std::string_view name, std::int64_t out, std::int64_t stride) {
  const auto scope = x.tape().scope(name);
  Var h = relu(batch_norm_layer(conv(x, "conv1", out, 3, stride), "bn1", keras_epsilon));
  h = batch_norm_layer(conv(h, "conv2", out, 3, 1), "bn2", keras_epsilon);
  const Var shortcut = stride == 1 ? x : conv(x, "shortcut", out, 1, stride);
  return relu(shortcut + h);
}

}  // namespace

Var resnet8(Var x, const Resnet8Options& options) {
  const std::int64_t width = options.width;
  Var h = relu(batch_norm_layer(conv(x, "stem.conv", width, 3, 1), "stem.bn", keras_epsilon));
  h = stack(h, "stack1", width, 1);
  h = stack(h, "stack2", 2 * width, 2);
  h = stack(h, "stack3", 4 * width, 2);
  return linear_layer(flatten(global_average_pool(h)), "fc", options.classes);
}

}  // namespace safer
