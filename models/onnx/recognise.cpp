#include "models/onnx/recognise.h"

#include <algorithm>
#include <numbers>

#include "engine/ops/activation.h"
#include "engine/ops/attention.h"
#include "engine/ops/linear.h"
#include "engine/ops/norm.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/pattern.h"

namespace safer::onnx {
namespace {

/// The value on the tape that a name stands for; std::nullopt for what is known or not there.
std::optional<Value> on_tape(const Pattern& pattern, const std::string& name) {
  const Value* value = pattern.graph().value(name);
  if (!value || !value->var || value->known || value->quantized) return std::nullopt;
  return *value;
}

/// f of the value called x.
template <class F>
std::optional<Value> applied(const Pattern& pattern, const std::string* x, const F& f) {
  const auto value = x ? on_tape(pattern, *x) : std::nullopt;
  if (!value) return std::nullopt;
  return Value{nullptr, f(value->var), value->merged};
}

/// The factors of a product of up to three values.
std::vector<std::string> factors(const Pattern& pattern, const Node& product) {
  std::vector<std::string> all = product.inputs;
  for (std::size_t i = 0; i < all.size() && all.size() < 3; ++i)
    if (const Node* inner = pattern.made_by(all[i], "Mul"); inner && inner->inputs.size() == 2) {
      const std::vector<std::string> parts = inner->inputs;
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
      all.insert(all.end(), parts.begin(), parts.end());
      break;
    }
  return all;
}

/// x of 1 + erf(x / sqrt(2)).
const std::string* twice_normal_cdf(const Pattern& pattern, const std::string& name) {
  const std::string* sum = pattern.with_number(name, "Add", 1);
  const Node* erf = sum ? pattern.made_by(*sum, "Erf") : nullptr;
  if (!erf) return nullptr;
  const std::string* x = pattern.with_number(erf->inputs[0], "Div", std::numbers::sqrt2);
  return x ? x : pattern.with_number(erf->inputs[0], "Mul", 1 / std::numbers::sqrt2);
}

/// Whether `name` is x x x.
bool is_cube(const Pattern& pattern, const std::string& name, const std::string& x) {
  if (const std::string* base = pattern.with_number(name, "Pow", 3)) return *base == x;
  const Node* product = pattern.made_by(name, "Mul");
  const auto is_x = [&](const std::string& input) { return input == x; };
  const std::string* square = pattern.other(product, is_x);
  if (!square) return false;
  if (const std::string* base = pattern.with_number(*square, "Pow", 2)) return *base == x;
  const Node* inner = pattern.made_by(*square, "Mul");
  const std::string* last = pattern.other(inner, is_x);
  return last && *last == x;
}

/// x of 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)).
const std::string* twice_tanh_cdf(const Pattern& pattern, const std::string& name) {
  const std::string* sum = pattern.with_number(name, "Add", 1);
  const Node* tanh = sum ? pattern.made_by(*sum, "Tanh") : nullptr;
  const std::string* scaled =
      tanh ? pattern.with_number(tanh->inputs[0], "Mul", std::numbers::sqrt2 * std::numbers::inv_sqrtpi) : nullptr;
  const Node* inner = scaled ? pattern.made_by(*scaled, "Add") : nullptr;
  if (!inner || inner->inputs.size() != 2) return nullptr;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string* cube = pattern.with_number(inner->inputs[1 - i], "Mul", 0.044715);
    if (cube && is_cube(pattern, *cube, inner->inputs[i])) return &inner->inputs[i];
  }
  return nullptr;
}

/// x (1 + erf(x / sqrt(2))) / 2 or its approximation, the factors in any order.
std::optional<Value> gelu_of(const Pattern& pattern, const Node& node) {
  const std::vector<std::string> parts = factors(pattern, node);
  if (parts.size() != 3 || std::ranges::none_of(parts, [&](const std::string& part) { return pattern.is_number(part, 0.5); }))
    return std::nullopt;
  const auto is_factor = [&](const std::string* x) { return x && std::ranges::find(parts, *x) != parts.end(); };
  for (const std::string& part : parts) {
    if (const std::string* x = twice_normal_cdf(pattern, part); is_factor(x))
      return applied(pattern, x, [](Var v) { return gelu(v); });
    if (const std::string* x = twice_tanh_cdf(pattern, part); is_factor(x))
      return applied(pattern, x, [](Var v) { return gelu(v, Gelu::tanh); });
  }
  return std::nullopt;
}

/// x sigmoid(x), x hard_sigmoid(x) or x tanh(softplus(x)).
std::optional<Value> gated(const Pattern& pattern, const Node& node) {
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string& x = node.inputs[i];
    const Node* gate = pattern.graph().producer(node.inputs[1 - i]);
    const Node* tanh = pattern.made_by(node.inputs[1 - i], "Tanh");
    const Node* softplus = tanh ? pattern.made_by(tanh->inputs[0], "Softplus") : nullptr;
    if (softplus && softplus->inputs[0] == x) return applied(pattern, &x, [](Var v) { return mish(v); });
    if (!gate || !gate->domain.empty() || gate->inputs.empty() || gate->inputs[0] != x) continue;
    if (gate->op == "Sigmoid") return applied(pattern, &x, [](Var v) { return silu(v); });
    const Attributes a(*gate);
    if (gate->op == "HardSigmoid" && std::abs(a.number("alpha", 0.2) - 1.0 / 6) < 1e-7 && a.number("beta", 0.5) == 0.5)
      return applied(pattern, &x, [](Var v) { return hard_swish(v); });
  }
  return std::nullopt;
}

/// x of clip(x + 3, 0, 6).
const std::string* shifted_relu6(const Pattern& pattern, const std::string& name) {
  const Node* clip = pattern.made_by(name, "Clip");
  if (!clip) return nullptr;
  const auto limit = [&](std::size_t i, std::string_view attribute, double expected) {
    if (clip->inputs.size() > i) return pattern.number(clip->inputs[i]) == expected;
    return Attributes(*clip).has(attribute) && Attributes(*clip).number(attribute) == expected;
  };
  return limit(1, "min", 0) && limit(2, "max", 6) ? pattern.with_number(clip->inputs[0], "Add", 3) : nullptr;
}

/// x clip(x + 3, 0, 6) / 6
std::optional<Value> hard_of_clip(const Pattern& pattern, const Node& node) {
  if (!pattern.is_number(node.inputs[1], 6)) return std::nullopt;
  const Node* product = pattern.made_by(node.inputs[0], "Mul");
  if (!product || product->inputs.size() != 2) return std::nullopt;
  for (std::size_t i = 0; i < 2; ++i)
    if (const std::string* x = shifted_relu6(pattern, product->inputs[i]); x && *x == product->inputs[1 - i])
      return applied(pattern, x, [](Var v) { return hard_swish(v); });
  return std::nullopt;
}

/// x clip(x + 3, 0, 6) times 1/6, the factors in any order, as Keras has it.
std::optional<Value> hard_of_factors(const Pattern& pattern, const Node& node) {
  const std::vector<std::string> parts = factors(pattern, node);
  if (parts.size() != 3 || std::ranges::none_of(parts, [&](const std::string& part) { return pattern.is_number(part, 1.0 / 6); }))
    return std::nullopt;
  for (const std::string& part : parts)
    if (const std::string* x = shifted_relu6(pattern, part); x && std::ranges::find(parts, *x) != parts.end())
      return applied(pattern, x, [](Var v) { return hard_swish(v); });
  return std::nullopt;
}

/// x over its last axis made to have mean 0 and variance 1, written out.
struct Normalised {
  std::string x;
  double epsilon = 0;
};

/// Whether `name` is the mean of x over the last axis, kept.
bool is_last_mean(const Pattern& pattern, const std::string& name, const std::string& x) {
  const Node* mean = pattern.made_by(name, "ReduceMean");
  const Value* value = pattern.graph().value(x);
  if (!mean || mean->inputs[0] != x || !value || !value->var || Attributes(*mean).integer("keepdims", 1) == 0) return false;
  std::vector<std::int64_t> axes = Attributes(*mean).integers("axes");
  if (mean->inputs.size() > 1)
    if (const Value* given = pattern.graph().value(mean->inputs[1]); given && given->known)
      axes = integers_of(*given->known, "axes");
  return axes.size() == 1 && (axes[0] == -1 || axes[0] == value->var.shape().rank() - value->merged);
}

/// (x - mean) / sqrt(mean((x - mean)^2) + epsilon)
std::optional<Normalised> normalised(const Pattern& pattern, const std::string& name) {
  const Node* quotient = pattern.made_by(name, "Div");
  const Node* centred = quotient && quotient->inputs.size() == 2 ? pattern.made_by(quotient->inputs[0], "Sub") : nullptr;
  if (!centred || centred->inputs.size() != 2) return std::nullopt;
  const std::string& x = centred->inputs[0];
  const Node* root = pattern.made_by(quotient->inputs[1], "Sqrt");
  const Node* sum = root ? pattern.made_by(root->inputs[0], "Add") : nullptr;
  std::optional<double> epsilon;
  const std::string* variance =
      pattern.other(sum, [&](const std::string& input) { return (epsilon = pattern.number(input)).has_value(); });
  const Node* mean = variance ? pattern.made_by(*variance, "ReduceMean") : nullptr;
  if (!mean || !epsilon || !is_last_mean(pattern, centred->inputs[1], x)) return std::nullopt;
  const std::string& squares = mean->inputs[0];
  const Node* product = pattern.made_by(squares, "Mul");
  const std::string* base = pattern.with_number(squares, "Pow", 2);
  if (!base && product && product->inputs.size() == 2 && product->inputs[0] == product->inputs[1]) base = &product->inputs[0];
  // Some exporters subtract the mean twice, once for each use.
  const Node* again = base ? pattern.made_by(*base, "Sub") : nullptr;
  if (!again || again->inputs.size() != 2 || again->inputs[0] != x || !is_last_mean(pattern, again->inputs[1], x))
    return std::nullopt;
  if (!is_last_mean(pattern, *variance, squares)) return std::nullopt;
  return Normalised{x, *epsilon};
}

/// Whether input i is a vector of the last axis of x, with which a norm or a layer can be scaled or shifted.
bool is_vector(const NodeImport& import, std::size_t i, std::int64_t size) {
  return import.is_known(i) && import.value(i).known->value.shape() == Shape{size};
}

/// gamma times a norm written out.
std::optional<Value> scaled_norm(const Pattern& pattern, const Node& node, const NodeImport& import) {
  for (std::size_t i = 0; i < 2; ++i)
    if (const auto norm = normalised(pattern, node.inputs[i])) {
      const auto x = on_tape(pattern, norm->x);
      if (!x || !is_vector(import, 1 - i, x->var.shape()[x->var.shape().rank() - 1])) return std::nullopt;
      return Value{nullptr, layer_norm(x->var, import.parameter(1 - i, Role::norm), {}, {1, norm->epsilon}), x->merged};
    }
  return std::nullopt;
}

/// The same plus beta.
std::optional<Value> shifted_norm(const Pattern& pattern, const Node& node, const NodeImport& import) {
  for (std::size_t i = 0; i < 2; ++i) {
    const Node* product = pattern.made_by(node.inputs[i], "Mul");
    if (!product || product->inputs.size() != 2) continue;
    for (std::size_t k = 0; k < 2; ++k) {
      const auto norm = normalised(pattern, product->inputs[k]);
      const Value* gamma = pattern.graph().value(product->inputs[1 - k]);
      const auto x = norm ? on_tape(pattern, norm->x) : std::nullopt;
      if (!x || !gamma || !gamma->known) continue;
      const std::int64_t size = x->var.shape()[x->var.shape().rank() - 1];
      if (gamma->known->value.shape() != Shape{size} || !is_vector(import, 1 - i, size)) continue;
      const Var gain = import.parameter(gamma->known, Role::norm, 0, "gain"), shift = import.parameter(1 - i, Role::bias);
      return Value{nullptr, layer_norm(x->var, gain, shift, {1, norm->epsilon}), x->merged};
    }
  }
  return std::nullopt;
}

/// x W + b, of which MatMul has recorded the product.
std::optional<Value> biased(const Pattern& pattern, const Node& node, const NodeImport& import) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (!pattern.made_by(node.inputs[i], "MatMul")) continue;
    const auto product = on_tape(pattern, node.inputs[i]);
    if (!product) continue;
    const safer::Node made = import.tape().node(product->var.id());
    if (!made.op || made.op->name() != "linear" || made.inputs.size() != 2) continue;
    if (!is_vector(import, 1 - i, product->var.shape()[product->var.shape().rank() - 1])) continue;
    const Var b = import.parameter(1 - i, Role::bias);
    Tape& tape = import.tape();
    return Value{nullptr, tape.record(made.op, {tape.var(made.inputs[0]), tape.var(made.inputs[1]), b}, made.name),
                 product->merged};
  }
  return std::nullopt;
}

/// [..., T, d] as the sequences [N, T, d] of attention.
Var as_sequences(Var x) {
  const Shape& s = x.shape();
  return reshape(x, {s.size(0, s.rank() - 2), s[s.rank() - 2], s[s.rank() - 1]}, 0);
}

/// k of a transposition of its last two axes.
const std::string* transposed(const Pattern& pattern, const std::string& name) {
  const Node* node = pattern.made_by(name, "Transpose");
  if (!node) return nullptr;
  std::vector<std::int64_t> permutation = Attributes(*node).integers("perm");
  if (permutation.size() < 3) return nullptr;
  std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
  return std::ranges::is_sorted(permutation) ? &node->inputs[0] : nullptr;
}

/// softmax(scale q k^T) v over the last two axes, without a mask.
std::optional<Value> attention_of(const Pattern& pattern, const Node& node) {
  const Node* softmax = pattern.made_by(node.inputs[0], "Softmax");
  const auto v = on_tape(pattern, node.inputs[1]);
  const auto scores = softmax ? on_tape(pattern, softmax->inputs[0]) : std::nullopt;
  if (!v || !scores) return std::nullopt;
  const int rank = scores->var.shape().rank();
  const std::int64_t axis = Attributes(*softmax).integer("axis", -1);
  if (rank < 3 || (axis != -1 && axis != rank - 1)) return std::nullopt;
  const std::string* name = &softmax->inputs[0];
  double scale = 1;
  if (const Node* scaled = pattern.made_by(*name, "Mul")) {
    name = pattern.other(scaled, [&](const std::string& input) { return pattern.number(input).has_value(); });
    if (name) scale = *pattern.number(name == &scaled->inputs[0] ? scaled->inputs[1] : scaled->inputs[0]);
  } else if (const Node* divided = pattern.made_by(*name, "Div"); divided && pattern.number(divided->inputs[1])) {
    name = &divided->inputs[0];
    scale = 1 / *pattern.number(divided->inputs[1]);
  }
  const Node* product = name ? pattern.made_by(*name, "MatMul") : nullptr;
  if (!product || !(scale > 0)) return std::nullopt;
  const auto q = on_tape(pattern, product->inputs[0]), kt = on_tape(pattern, product->inputs[1]);
  if (!q || !kt) return std::nullopt;
  const auto same_leading = [&](const Value& x) {
    const Shape &s = x.var.shape(), &whole = q->var.shape();
    return x.merged == 1 && x.var.type().batch_axis == q->var.type().batch_axis && s.rank() == rank && whole.rank() == rank &&
           std::equal(s.begin(), s.begin() + rank - 2, whole.begin());
  };
  // Sequences must be runs of one sample: its batch axis first.
  if (q->var.type().batch_axis != 0 || !same_leading(*q) || !same_leading(*kt) || !same_leading(*v)) return std::nullopt;
  const std::string* k_name = transposed(pattern, product->inputs[1]);
  const auto k = k_name ? on_tape(pattern, *k_name) : std::nullopt;
  std::vector<std::int64_t> turn{0, 2, 1};
  const Var keys = k && same_leading(*k) ? as_sequences(k->var) : transpose(as_sequences(kt->var), turn);
  const Var y = attention(as_sequences(q->var), keys, as_sequences(v->var), {.heads = 1, .scale = scale});
  Shape shape = q->var.shape();
  shape[rank - 1] = v->var.shape()[rank - 1];
  return Value{nullptr, reshape(y, shape, 0)};
}

}  // namespace

std::optional<Value> recognise(const GraphView& graph, const Node& node, const NodeImport& import) {
  if (!node.domain.empty() || node.inputs.size() != 2) return std::nullopt;
  const Pattern pattern(graph);
  if (node.op == "MatMul") return attention_of(pattern, node);
  if (node.op == "Div") return hard_of_clip(pattern, node);
  if (node.op == "Add") {
    const auto layer = biased(pattern, node, import);
    return layer ? layer : shifted_norm(pattern, node, import);
  }
  if (node.op != "Mul") return std::nullopt;
  if (const auto activation = gated(pattern, node)) return activation;
  if (const auto activation = gelu_of(pattern, node)) return activation;
  if (const auto activation = hard_of_factors(pattern, node)) return activation;
  return scaled_norm(pattern, node, import);
}

}  // namespace safer::onnx
