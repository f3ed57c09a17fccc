#include "models/mobilenet_v2.h"

#include <fmt/format.h>

#include <string>

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

/// `repeats` blocks of `out` channels, the first of them with `stride`.
struct Stage {
  std::int64_t expansion, out, repeats, stride;
};
constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                            {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

/// Of a convolution and of the batch norm behind it, which is folded into it where it has no name.
struct Names {
  std::string conv, norm = {};
};
enum Step { expand, depthwise, project };  // of a block
struct Scheme {
  Names first;
  Names (*step)(int block, bool expands, Step step);
  Names last;
  std::string_view classifier;
};

Names folded_step(int block, bool, Step step) {
  constexpr std::string_view names[] = {"expand", "depthwise", "project"};
  return {fmt::format("block{}.{}", block, names[step])};
}
/// The modules of a block are numbered. All but the last two are a convolution, a norm and an activation each.
Names torchvision_step(int block, bool expands, Step step) {
  const int module = expands ? step : step - 1;
  const std::string name = fmt::format("features.{}.conv.", block + 1);
  if (step == project) return {fmt::format("{}{}", name, module), fmt::format("{}{}", name, module + 1)};
  return {fmt::format("{}{}.0", name, module), fmt::format("{}{}.1", name, module)};
}

Var unit(Var x, const Names& names, ConvLayer conv) {
  conv.bias = names.norm.empty();
  conv.padding = conv.bias ? same_padding(x, conv.taps, conv.stride) : Padding(conv.taps / 2);
  const Var y = conv_layer(x, names.conv, conv);
  return names.norm.empty() ? y : batch_norm_layer(y, names.norm);
}

Var inverted_residual(Var x, const Scheme& scheme, int block, const Stage& stage, std::int64_t stride) {
  const bool expands = stage.expansion > 1;
  const std::int64_t channels = x.shape()[1], hidden = stage.expansion * channels;
  const auto names = [&](Step step) { return scheme.step(block, expands, step); };
  Var h = expands ? relu6(unit(x, names(expand), {.out = hidden, .taps = 1})) : x;
  h = relu6(unit(h, names(depthwise), {.out = hidden, .stride = stride, .groups = hidden}));
  h = unit(h, names(project), {.out = stage.out, .taps = 1});
  return stride == 1 && channels == stage.out ? x + h : h;
}

Var record(Var x, const Scheme& scheme) {
  Var h = relu6(unit(x, scheme.first, {.out = 32, .stride = 2}));
  int block = 0;
  for (const Stage& stage : stages)
    for (std::int64_t i = 0; i < stage.repeats; ++i) h = inverted_residual(h, scheme, block++, stage, i == 0 ? stage.stride : 1);
  h = relu6(unit(h, scheme.last, {.out = 1280, .taps = 1}));
  return linear_layer(flatten(global_average_pool(h)), scheme.classifier, 1000);
}

}  // namespace

Var mobilenet_v2(Var x) {
  return record(x, {{"features.0.0", "features.0.1"}, torchvision_step, {"features.18.0", "features.18.1"}, "classifier.1"});
}

Var mobilenet_v2_folded(Var x) { return record(x, {{"conv_first"}, folded_step, {"conv_last"}, "classifier"}); }

}  // namespace safer
