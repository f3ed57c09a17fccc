#include "models/mobilenet_v1.h"

#include <fmt/format.h>

#include "engine/ops/activation.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

Var unit(Var x, const std::string& name, ConvLayer conv) {
  conv.padding = same_padding(x, conv.taps, conv.stride);
  return relu6(batch_norm_layer(conv_layer(x, name, conv), name + "_bn", keras_epsilon));
}

}  // namespace

Var mobilenet_v1_075(Var x) {
  struct Block {
    std::int64_t out, stride = 1;
  };
  constexpr Block blocks[] = {{48}, {96, 2}, {96}, {192, 2}, {192}, {384, 2}, {384}, {384}, {384}, {384}, {384}, {768, 2}, {768}};
  Var h = unit(x, "conv1", {.out = 24, .stride = 2});
  int number = 0;
  for (const auto& [out, stride] : blocks) {
    ++number;
    const std::int64_t channels = h.shape()[1];
    h = unit(h, fmt::format("conv_dw_{}", number), {.out = channels, .stride = stride, .groups = channels});
    h = unit(h, fmt::format("conv_pw_{}", number), {.out = out, .taps = 1});
  }
  return flatten(conv_layer(global_average_pool(h), "conv_preds", {.out = 1000, .taps = 1, .bias = true}));
}

}  // namespace safer
