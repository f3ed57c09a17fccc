#include "models/onnx/recognise_activation.h"

#include <algorithm>
#include <numbers>

#include "engine/ops/activation.h"

namespace safer::onnx {
namespace {

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
      return pattern.applied(x, [](Var v) { return gelu(v); });
    if (const std::string* x = twice_tanh_cdf(pattern, part); is_factor(x))
      return pattern.applied(x, [](Var v) { return gelu(v, Gelu::tanh); });
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
    if (softplus && softplus->inputs[0] == x) return pattern.applied(&x, [](Var v) { return mish(v); });
    if (!gate || !gate->domain.empty() || gate->inputs.empty() || gate->inputs[0] != x) continue;
    if (gate->op == "Sigmoid") return pattern.applied(&x, [](Var v) { return silu(v); });
    const Attributes a(*gate);
    if (gate->op == "HardSigmoid" && std::abs(a.number("alpha", 0.2) - 1.0 / 6) < 1e-7 && a.number("beta", 0.5) == 0.5)
      return pattern.applied(&x, [](Var v) { return hard_swish(v); });
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
      return pattern.applied(x, [](Var v) { return hard_swish(v); });
  return std::nullopt;
}

/// x clip(x + 3, 0, 6) times 1/6, the factors in any order, as Keras has it.
std::optional<Value> hard_of_factors(const Pattern& pattern, const Node& node) {
  const std::vector<std::string> parts = factors(pattern, node);
  if (parts.size() != 3 || std::ranges::none_of(parts, [&](const std::string& part) { return pattern.is_number(part, 1.0 / 6); }))
    return std::nullopt;
  for (const std::string& part : parts)
    if (const std::string* x = shifted_relu6(pattern, part); x && std::ranges::find(parts, *x) != parts.end())
      return pattern.applied(x, [](Var v) { return hard_swish(v); });
  return std::nullopt;
}

}  // namespace

std::optional<Value> recognise_activation(const Pattern& pattern, const Node& node) {
  if (node.op == "Div") return hard_of_clip(pattern, node);
  if (node.op != "Mul") return std::nullopt;
  for (const auto of : {gated, gelu_of, hard_of_factors})
    if (const auto activation = of(pattern, node)) return activation;
  return std::nullopt;
}

}  // namespace safer::onnx
