#include "models/onnx/fold_element.h"

namespace safer::onnx {
namespace {

/// a op b, or the fold of all inputs for Min, Max and Sum.
template <class F>
std::vector<Known> binary(const FoldNode& node) {
  Known result = node.in(0);
  for (std::size_t i = 1; i < node.inputs.size(); ++i) result = combine(node, result, node.in(i), node.in(0).value.type(), F());
  result.name.clear();
  return {result};
}
template <class F>
std::vector<Known> comparison(const FoldNode& node) {
  return {combine(node, node.in(0), node.in(1), DType::u8, F())};
}
std::vector<Known> mod(const FoldNode& node) {
  return {combine(node, node.in(0), node.in(1), node.in(0).value.type(), Mod{node.attributes().integer("fmod", 0) != 0})};
}

std::vector<Known> negative(const FoldNode& node) {
  const Known zero{Tensor(node.in(0).value.type(), Shape{})};
  return {combine(node, zero, node.in(0), node.in(0).value.type(), Sub())};
}

/// Which axes a reduction sums over: those named, or all where none is, unless the node says otherwise.
std::vector<bool> reduced_axes(const FoldNode& node, const Shape& shape) {
  std::vector<bool> reduced(static_cast<std::size_t>(shape.rank()));
  const std::vector<std::int64_t> axes = node.integers(1, "axes");
  for (const std::int64_t axis : axes) reduced[static_cast<std::size_t>(shape.axis(axis, "axes"))] = true;
  if (axes.empty()) reduced.assign(reduced.size(), node.attributes().integer("noop_with_empty_axes", 0) == 0);
  return reduced;
}

template <class F>
std::vector<Known> reduce(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  if (shape.size() == 0) throw Error("the input {} has no elements", shape);
  const std::vector<bool> reduced = reduced_axes(node, shape);
  const bool keep = node.attributes().integer("keepdims", 1) != 0;
  Shape sums, result;  // sums: with all axes
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool gone = reduced[static_cast<std::size_t>(axis)];
    sums.push_back(gone ? 1 : shape[axis]);
    if (keep || !gone) result.push_back(gone ? 1 : shape[axis]);
  }
  return {with_type_of(node.in(0).value, [&](auto sample) {
    using T = decltype(sample);
    std::vector<std::optional<Element<T>>> found(static_cast<std::size_t>(sums.size()));
    const auto all = elements<T>(node, node.in(0), shape);
    auto next = all.begin();
    each_element(broadcast_view(sums, shape), [&](std::int64_t place) {
      auto& sum = found[static_cast<std::size_t>(place)];
      sum = sum ? F()(*sum, *next) : *next;
      ++next;
    });
    std::vector<Element<T>> values;
    for (const auto& sum : found) values.push_back(*sum);
    return stored(node, values, result, node.in(0).value.type());
  })};
}

}  // namespace

std::span<const FoldRow> arithmetic_folds() {
  static constexpr FoldRow rows[] = {
      {"Add", binary<Add>},
      {"And", binary<Fixed<std::logical_and<>>>},
      {"Div", binary<Div>},
      {"Equal", comparison<Equal>},
      {"Greater", comparison<Fixed<std::greater<>>>},
      {"GreaterOrEqual", comparison<Fixed<std::greater_equal<>>>},
      {"Less", comparison<Fixed<std::less<>>>},
      {"LessOrEqual", comparison<Fixed<std::less_equal<>>>},
      {"Max", binary<Fixed<Larger>>},
      {"Min", binary<Fixed<Smaller>>},
      {"Mod", mod},
      {"Mul", binary<Mul>},
      {"Neg", negative},
      {"Or", binary<Fixed<std::logical_or<>>>},
      {"Pow", binary<Fixed<Power>>},
      {"ReduceMax", reduce<Fixed<Larger>>},
      {"ReduceMin", reduce<Fixed<Smaller>>},
      {"ReduceProd", reduce<Mul>},
      {"ReduceSum", reduce<Add>},
      {"Sub", binary<Sub>},
      {"Sum", binary<Add>},
  };
  return rows;
}

}  // namespace safer::onnx
