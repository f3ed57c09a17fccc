#include "models/squeezenet.h"

#include <fmt/format.h>

#include "engine/ops/activation.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

/// Few channels, then many again from 1x1 and 3x3 convolutions side by side.
Var fire(Var x, std::int64_t squeezed, std::int64_t expanded) {
  const Var h = relu(conv_layer(x, "squeeze", {.out = squeezed, .taps = 1, .bias = true}));
  const Var ones = relu(conv_layer(h, "expand1x1", {.out = expanded, .taps = 1, .bias = true}));
  const Var threes = relu(conv_layer(h, "expand3x3", {.out = expanded, .padding = 1, .bias = true}));
  return concat({ones, threes}, 1);
}

Var pool(Var x) { return max_pool2d(x, 3, {.stride = 2, .ceil = true}); }

}  // namespace

Var squeezenet1_1(Var x) {
  struct Fire {
    int module;  // its number, which its name contains
    std::int64_t squeezed, expanded;
    bool pooled = false;  // a pooling stands before it
  };
  constexpr Fire fires[] = {{3, 16, 64, true},  {4, 16, 64},   {6, 32, 128, true}, {7, 32, 128},
                            {9, 48, 192, true}, {10, 48, 192}, {11, 64, 256},      {12, 64, 256}};
  Var h = relu(conv_layer(x, "features.0", {.out = 64, .stride = 2, .bias = true}));
  for (const Fire& next : fires) {
    if (next.pooled) h = pool(h);
    const auto scope = x.tape().scope(fmt::format("features.{}", next.module));
    h = fire(h, next.squeezed, next.expanded);
  }
  h = relu(conv_layer(h, "classifier.1", {.out = 1000, .taps = 1, .bias = true}));
  return flatten(global_average_pool(h));
}

}  // namespace safer
