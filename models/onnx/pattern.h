#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/onnx/attributes.h"
#include "models/onnx/graph_view.h"

/// Small questions about the nodes before a value, of which patterns are put together.
namespace safer::onnx {

class Pattern {
 public:
  explicit Pattern(const GraphView& graph) : graph_(graph) {}

  /// The node that computes a value, if it is of this operator.
  const Node* made_by(const std::string& name, std::string_view op) const {
    const Node* node = graph_.producer(name);
    return node && node->domain.empty() && node->op == op && !node->inputs.empty() ? node : nullptr;
  }
  /// The number that a value is.
  std::optional<double> number(const std::string& name) const {
    const Value* value = graph_.value(name);
    if (!value || !value->known || value->known->batch || value->known->value.size() != 1) return std::nullopt;
    return value->known->value.to(DType::f64).values<double>()[0];
  }
  bool is_number(const std::string& name, double expected) const {
    const std::optional<double> found = number(name);
    return found && std::abs(*found - expected) <= 1e-5 * std::abs(expected);
  }
  /// The other operand of a sum or product of two, one of which `is` something.
  template <class F>
  const std::string* other(const Node* node, const F& is) const {
    if (!node || node->inputs.size() != 2) return nullptr;
    if (is(node->inputs[0])) return &node->inputs[1];
    return is(node->inputs[1]) ? &node->inputs[0] : nullptr;
  }
  /// x of "x op number".
  const std::string* with_number(const std::string& name, std::string_view op, double expected) const {
    const Node* node = made_by(name, op);
    if (node && (op == "Div" || op == "Sub" || op == "Pow"))
      return node->inputs.size() == 2 && is_number(node->inputs[1], expected) ? &node->inputs[0] : nullptr;
    return other(node, [&](const std::string& input) { return is_number(input, expected); });
  }
  /// The value on the tape that a name stands for; std::nullopt for what is known, quantized or not there.
  std::optional<Value> on_tape(const std::string& name) const {
    const Value* value = graph_.value(name);
    if (!value || !value->var || value->known || value->quantized) return std::nullopt;
    return *value;
  }
  /// f of the value called *x.
  template <class F>
  std::optional<Value> applied(const std::string* x, const F& f) const {
    const auto value = x ? on_tape(*x) : std::nullopt;
    if (!value) return std::nullopt;
    return Value{nullptr, f(value->var), value->merged};
  }
  const GraphView& graph() const { return graph_; }

 private:
  const GraphView& graph_;
};

}  // namespace safer::onnx
