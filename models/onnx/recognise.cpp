#include "models/onnx/recognise.h"

#include <algorithm>

#include "engine/ops/attention.h"
#include "engine/ops/linear.h"
#include "engine/ops/norm.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/pattern.h"
#include "models/onnx/recognise_activation.h"

namespace safer::onnx {
namespace {

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
      const auto x = pattern.on_tape(norm->x);
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
      const auto x = norm ? pattern.on_tape(norm->x) : std::nullopt;
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
    const auto product = pattern.on_tape(node.inputs[i]);
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
  const auto v = pattern.on_tape(node.inputs[1]);
  const auto scores = softmax ? pattern.on_tape(softmax->inputs[0]) : std::nullopt;
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
  const auto q = pattern.on_tape(product->inputs[0]), kt = pattern.on_tape(product->inputs[1]);
  if (!q || !kt) return std::nullopt;
  const auto same_leading = [&](const Value& x) {
    const Shape &s = x.var.shape(), &whole = q->var.shape();
    return x.merged == 1 && x.var.type().batch_axis == q->var.type().batch_axis && s.rank() == rank && whole.rank() == rank &&
           std::equal(s.begin(), s.begin() + rank - 2, whole.begin());
  };
  // Sequences must be runs of one sample: its batch axis first.
  if (q->var.type().batch_axis != 0 || !same_leading(*q) || !same_leading(*kt) || !same_leading(*v)) return std::nullopt;
  const std::string* k_name = transposed(pattern, product->inputs[1]);
  const auto k = k_name ? pattern.on_tape(*k_name) : std::nullopt;
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
  if (node.op == "Add") {
    const auto layer = biased(pattern, node, import);
    return layer ? layer : shifted_norm(pattern, node, import);
  }
  if (const auto activation = recognise_activation(pattern, node)) return activation;
  return node.op == "Mul" ? scaled_norm(pattern, node, import) : std::nullopt;
}

}  // namespace safer::onnx
