#include "models/vit.h"

#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/linear.h"
#include "engine/ops/shape_ops.h"
#include "models/layers.h"

namespace safer {
namespace {

constexpr double epsilon = 1e-6;
constexpr std::int64_t mlp_ratio = 4;

/// Of the parameters that hold them, or of the layers.
struct Names {
  std::string_view patches, class_token, positions, block, norm1, qkv_weight, qkv_bias, qkv_parts[3], projection, norm2, fc1, fc2,
      norm, head;
};
constexpr Names timm = {.patches = "patch_embed.proj",
                        .class_token = "cls_token",
                        .positions = "pos_embed",
                        .block = "blocks.",
                        .norm1 = "norm1",
                        .qkv_weight = "attn.qkv.weight",
                        .qkv_bias = "attn.qkv.bias",
                        .qkv_parts = {"attn.q.weight", "attn.k.weight", "attn.v.weight"},
                        .projection = "attn.proj",
                        .norm2 = "norm2",
                        .fc1 = "mlp.fc1",
                        .fc2 = "mlp.fc2",
                        .norm = "norm",
                        .head = "head"};
constexpr Names torchvision = {
    .patches = "conv_proj",
    .class_token = "class_token",
    .positions = "encoder.pos_embedding",
    .block = "encoder.layers.encoder_layer_",
    .norm1 = "ln_1",
    .qkv_weight = "self_attention.in_proj_weight",
    .qkv_bias = "self_attention.in_proj_bias",
    .qkv_parts = {"self_attention.q_proj_weight", "self_attention.k_proj_weight", "self_attention.v_proj_weight"},
    .projection = "self_attention.out_proj",
    .norm2 = "ln_2",
    .fc1 = "mlp.0",
    .fc2 = "mlp.3",
    .norm = "encoder.ln",
    .head = "heads.head"};

/// x: [N, 3, H, W] -> a token for each patch, row by row, behind the class token: [N, 1 + patches, d].
Var embed(Var x, const VitOptions& options, const Names& names) {
  Tape& tape = x.tape();
  const std::int64_t d = options.width;
  const Var patches = conv_layer(x, names.patches, {.out = d, .taps = options.patch, .stride = options.patch, .bias = true});
  const std::int64_t count = patches.shape().size(2, 4);
  const Var tokens = transpose(reshape(patches, {1, d, count}), {0, 2, 1});
  const Var first = tape.parameter({.name = std::string(names.class_token), .shape = {1, 1, d}, .role = Role::embedding});
  const Var positions = tape.parameter({.name = std::string(names.positions), .shape = {1, 1 + count, d}, .role = Role::embedding});
  return concat({repeat(first), tokens}, 1) + positions;
}

/// Queries, keys and values come from one product: their three weights lie below each other in one parameter.
Var self_attention(Var x, const VitOptions& options, const Names& names) {
  Tape& tape = x.tape();
  const std::int64_t d = options.width;
  std::vector<Part> parts;
  for (std::int64_t i = 0; i < 3; ++i)
    parts.push_back({std::string(tape.prefix()) + std::string(names.qkv_parts[i]), {i * d, (i + 1) * d}});
  const Var W = tape.parameter({.name = std::string(names.qkv_weight), .shape = {3 * d, d}, .parts = parts});
  const Var b = tape.parameter({.name = std::string(names.qkv_bias), .shape = {3 * d}, .role = Role::bias});
  const Var qkv = linear(x, W, b);
  const auto part = [&](std::int64_t i) { return slice(qkv, 2, i * d, (i + 1) * d); };
  return linear_layer(attention(part(0), part(1), part(2), {.heads = options.heads}), names.projection, d);
}

}  // namespace

Var vit(Var x, const VitOptions& options) {
  if (x.shape()[2] % options.patch != 0 || x.shape()[3] % options.patch != 0)
    throw Error("vit: images {} do not consist of whole patches of {} x {}", x.shape(), options.patch, options.patch);
  const Names& names = options.names == VitNames::timm ? timm : torchvision;
  const std::int64_t d = options.width;
  Var h = embed(x, options, names);
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const auto scope = x.tape().scope(fmt::format("{}{}", names.block, i));
    h = h + self_attention(layer_norm_layer(h, names.norm1, epsilon), options, names);
    const Var hidden = gelu(linear_layer(layer_norm_layer(h, names.norm2, epsilon), names.fc1, mlp_ratio * d));
    h = h + linear_layer(hidden, names.fc2, d);
  }
  const Var answer = reshape(slice(h, 1, 0, 1), {1, d});  // of the class token, the only one that the head reads
  return linear_layer(layer_norm_layer(answer, names.norm, epsilon), names.head, options.classes);
}

}  // namespace safer
