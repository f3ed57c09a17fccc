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

struct Names {
  std::string_view patches, class_token, positions, block, norm1, qkv_weight, qkv_bias, qkv_parts[3], projection, norm2, fc1, fc2,
      norm, head;
};
constexpr Names timm = {"patch_embed.proj",
                        "cls_token",
                        "pos_embed",
                        "blocks.",
                        "norm1",
                        "attn.qkv.weight",
                        "attn.qkv.bias",
                        {"attn.q.weight", "attn.k.weight", "attn.v.weight"},
                        "attn.proj",
                        "norm2",
                        "mlp.fc1",
                        "mlp.fc2",
                        "norm",
                        "head"};
constexpr Names torchvision = {"conv_proj",
                               "class_token",
                               "encoder.pos_embedding",
                               "encoder.layers.encoder_layer_",
                               "ln_1",
                               "self_attention.in_proj_weight",
                               "self_attention.in_proj_bias",
                               {"self_attention.q_proj_weight", "self_attention.k_proj_weight", "self_attention.v_proj_weight"},
                               "self_attention.out_proj",
                               "ln_2",
                               "mlp.0",
                               "mlp.3",
                               "encoder.ln",
                               "heads.head"};

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
  return linear_layer(attention(part(0), part(1), part(2), {.heads = options.heads}), d, names.projection);
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
    const Var hidden = gelu(linear_layer(layer_norm_layer(h, names.norm2, epsilon), mlp_ratio * d, names.fc1));
    h = h + linear_layer(hidden, d, names.fc2);
  }
  const Var answer = reshape(slice(h, 1, 0, 1), {1, d});  // of the class token, the only one that the head reads
  return linear_layer(layer_norm_layer(answer, names.norm, epsilon), options.classes, names.head);
}

}  // namespace safer
