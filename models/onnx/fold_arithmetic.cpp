#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/error.h"
#include "models/onnx/fold.h"

namespace safer::onnx {
namespace {

/// One element: value + batch * N. T is double, or int64 whose overflow wraps around as in two's complement.
template <class T>
struct Element {
  T value = 0, batch = 0;
};

[[noreturn]] void unknown_batch() {
  throw Error("the result would depend on the number of samples in a batch in a way that cannot be kept open");
}

/// The two parts of a tensor as numbers of one type, spread to a shape.
template <class T>
std::vector<Element<T>> elements(const FoldNode& node, const Known& x, const Shape& shape) {
  if (shape.size() > node.budget) throw Error("a constant of shape {} has far more elements than the file holds", shape);
  const Tensor value = x.value.to(dtype_of<T>), batch = x.batch ? x.batch->to(dtype_of<T>) : Tensor();
  std::vector<Element<T>> all;
  all.reserve(static_cast<std::size_t>(shape.size()));
  each_element(broadcast_view(x.value.shape(), shape), [&](std::int64_t at) {
    const auto i = static_cast<std::size_t>(at);
    all.push_back({value.values<T>()[i], x.batch ? batch.values<T>()[i] : T{0}});
  });
  return all;
}

template <class T>
Known stored(const FoldNode& node, const std::vector<Element<T>>& elements, const Shape& shape, DType type) {
  const auto part = [&](T Element<T>::*member) {
    Tensor tensor = node.allocate(dtype_of<T>, shape);
    std::ranges::transform(elements, tensor.mutable_values<T>().begin(), member);
    return tensor.to(type);
  };
  Known known{part(&Element<T>::value)};
  if (std::ranges::any_of(elements, [](const Element<T>& e) { return e.batch != T{0}; })) known.batch = part(&Element<T>::batch);
  return known;
}

bool is_real(const Tensor& x) { return x.type() == DType::f32 || x.type() == DType::f64; }

/// f(T{}) with the type to compute with.
template <class F>
auto with_type_of(const Tensor& x, const F& f) {
  return is_real(x) ? f(double{}) : f(std::int64_t{});
}

/// Sums and products of integers as two's complement has them.
template <class T, class F>
T wrapped(T a, T b, const F& f) {
  if constexpr (std::is_same_v<T, std::int64_t>)
    return static_cast<T>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  else
    return f(a, b);
}

struct Add {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    return {wrapped(a.value, b.value, std::plus<>()), wrapped(a.batch, b.batch, std::plus<>())};
  }
};
struct Sub {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    return {wrapped(a.value, b.value, std::minus<>()), wrapped(a.batch, b.batch, std::minus<>())};
  }
};
struct Mul {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    if (a.batch != 0 && b.batch != 0) unknown_batch();
    const std::multiplies<> times;
    if (a.batch == 0 && b.batch == 0) return {wrapped(a.value, b.value, times), 0};
    return {wrapped(a.value, b.value, times),
            wrapped(wrapped(a.value, b.batch, times), wrapped(a.batch, b.value, times), std::plus<>())};
  }
};
struct Div {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    if (b.batch != 0) unknown_batch();
    if constexpr (std::is_same_v<T, std::int64_t>) {
      if (b.value == 0) throw Error("an integer is divided by 0");
      if (b.value == -1) return Sub()(Element<T>{}, a);
      if (a.batch != 0 && (a.value % b.value != 0 || a.batch % b.value != 0)) unknown_batch();
    }
    return {a.value / b.value, a.batch == 0 ? T{0} : a.batch / b.value};
  }
};
/// The sign of the divisor, as Python has it, or with fmod that of the dividend.
struct Mod {
  bool fmod;
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    if (a.batch != 0 || b.batch != 0) unknown_batch();
    T rest;
    if constexpr (std::is_same_v<T, std::int64_t>) {
      if (b.value == 0) throw Error("an integer is divided by 0");
      rest = b.value == -1 ? 0 : a.value % b.value;
    } else {
      rest = std::fmod(a.value, b.value);
    }
    return {!fmod && rest != 0 && (rest < 0) != (b.value < 0) ? rest + b.value : rest, 0};
  }
};
/// Comparisons. Two numbers of which one varies with the batch count as different: they agree for one size of batch at most.
struct Equal {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    return {static_cast<T>(a.value == b.value && a.batch == b.batch), 0};
  }
};
template <class F>
struct Fixed {
  template <class T>
  Element<T> operator()(Element<T> a, Element<T> b) const {
    if (a.batch != 0 || b.batch != 0) unknown_batch();
    return {static_cast<T>(F()(a.value, b.value)), 0};
  }
};
struct Power {
  double operator()(double a, double b) const { return std::pow(a, b); }
};
struct Smaller {
  template <class T>
  T operator()(T a, T b) const {
    return b < a ? b : a;
  }
};
struct Larger {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

template <class F>
Known combine(const FoldNode& node, const Known& a, const Known& b, DType type, const F& f) {
  const Shape shape = broadcast_shape(a.value.shape(), b.value.shape());
  return with_type_of(is_real(a.value) ? a.value : b.value, [&](auto sample) {
    using T = decltype(sample);
    auto left = elements<T>(node, a, shape);
    const auto right = elements<T>(node, b, shape);
    std::ranges::transform(left, right, left.begin(), f);
    return stored(node, left, shape, type);
  });
}

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

/// f on every element of a tensor that does not vary with the batch; the result has the same type.
template <double (*f)(double)>
std::vector<Known> unary(const FoldNode& node) {
  const Tensor& x = tensor_of(node.in(0), "the input");
  Tensor y = node.allocate(DType::f64, x.shape());
  const Tensor from = x.to(DType::f64);
  std::ranges::transform(from.values<double>(), y.mutable_values<double>().begin(), f);
  return {{y.to(x.type())}};
}
double reciprocal(double x) { return 1 / x; }
double no(double x) { return x == 0; }
double sign(double x) { return (x > 0) - (x < 0); }
double absolute(double x) { return std::abs(x); }
double root(double x) { return std::sqrt(x); }
double exponential(double x) { return std::exp(x); }
double logarithm(double x) { return std::log(x); }
double nearest(double x) { return std::nearbyint(x); }
double up(double x) { return std::ceil(x); }
double down(double x) { return std::floor(x); }

/// Floor and Ceil leave whole multiples of the batch as they are.
template <double (*f)(double)>
std::vector<Known> rounded(const FoldNode& node) {
  const Known& x = node.in(0);
  if (!x.batch || !is_real(x.value)) return unary<f>(node);
  const Shape& shape = x.value.shape();
  auto all = elements<double>(node, x, shape);
  for (Element<double>& e : all) {
    if (e.batch != std::floor(e.batch)) unknown_batch();
    e.value = f(e.value);
  }
  return {stored(node, all, shape, x.value.type())};
}

std::vector<Known> negative(const FoldNode& node) {
  const Known zero{Tensor(node.in(0).value.type(), Shape{})};
  return {combine(node, zero, node.in(0), node.in(0).value.type(), Sub())};
}

std::vector<Known> cast(const FoldNode& node) {
  const ElementType to{static_cast<std::int32_t>(node.attributes().integer("to"))};
  const DType type = stored_type(to, "attribute 'to'");
  const Known& x = node.in(0);
  node.allocate(type, x.value.shape());
  const auto converted = [&](const Tensor& tensor) {
    if (to != ElementType::boolean) return tensor.to(type);
    Tensor flags(DType::u8, tensor.shape());
    const Tensor from = tensor.to(DType::f64);
    std::ranges::transform(from.values<double>(), flags.mutable_values<std::uint8_t>().begin(),
                           [](double element) { return static_cast<std::uint8_t>(element != 0); });
    return flags;
  };
  if (to == ElementType::boolean) return {{converted(tensor_of(x, "the input"))}};
  Known y{converted(x.value), std::nullopt, x.name};
  if (x.batch) y.batch = converted(*x.batch);
  return {y};
}

std::vector<Known> where(const FoldNode& node) {
  const Known &a = node.in(1), &b = node.in(2);
  const Tensor& condition = tensor_of(node.in(0), "the condition");
  const Shape shape = broadcast_shape(condition.shape(), broadcast_shape(a.value.shape(), b.value.shape()));
  return {with_type_of(a.value, [&](auto sample) {
    using T = decltype(sample);
    auto left = elements<T>(node, a, shape);
    const auto right = elements<T>(node, b, shape);
    const auto chosen = elements<std::int64_t>(node, {condition}, shape);
    for (std::size_t i = 0; i < left.size(); ++i)
      if (chosen[i].value == 0) left[i] = right[i];
    return stored(node, left, shape, a.value.type());
  })};
}

std::vector<Known> range(const FoldNode& node) {
  const auto number = [&](std::size_t i) {
    const Tensor& x = tensor_of(node.in(i), "an input of a range");
    if (x.size() != 1) throw Error("an input of the range is {}, expected one number", x.shape());
    return x.to(DType::f64).values<double>()[0];
  };
  const double start = number(0), limit = number(1), step = number(2);
  const double count = std::max(0.0, std::ceil((limit - start) / step));
  if (!(count <= static_cast<double>(node.budget))) throw Error("a range of {} numbers", count);
  Tensor y = node.allocate(DType::f64, {static_cast<std::int64_t>(count)});
  double at = 0;
  for (double& element : y.mutable_values<double>()) element = start + step * at++;
  return {{y.to(node.in(0).value.type())}};
}

template <class F>
std::vector<Known> reduce(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  std::vector<bool> reduced(static_cast<std::size_t>(shape.rank()));
  const std::vector<std::int64_t> axes = node.integers(1, "axes");
  for (const std::int64_t axis : axes) reduced[static_cast<std::size_t>(shape.axis(axis, "axes"))] = true;
  if (axes.empty()) reduced.assign(reduced.size(), node.attributes().integer("noop_with_empty_axes", 0) == 0);
  const bool keep = node.attributes().integer("keepdims", 1) != 0;
  StridedView to = {shape};
  Shape kept, without;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool gone = reduced[static_cast<std::size_t>(axis)];
    kept.push_back(gone ? 1 : shape[axis]);
    if (keep || !gone) without.push_back(gone ? 1 : shape[axis]);
  }
  if (shape.size() == 0) throw Error("the input {} has no elements", shape);
  to = broadcast_view(kept, shape);
  return {with_type_of(node.in(0).value, [&](auto sample) {
    using T = decltype(sample);
    const auto all = elements<T>(node, node.in(0), shape);
    std::vector<std::optional<Element<T>>> sums(static_cast<std::size_t>(kept.size()));
    auto next = all.begin();
    each_element(to, [&](std::int64_t place) {
      auto& sum = sums[static_cast<std::size_t>(place)];
      sum = sum ? F()(*sum, *next) : *next;
      ++next;
    });
    std::vector<Element<T>> found;
    for (const auto& sum : sums) found.push_back(*sum);
    return stored(node, found, without, node.in(0).value.type());
  })};
}

/// (x - zero) * scale, for each place along an axis where scale is a vector. The result keeps the name of the weight.
std::vector<Known> dequantize(const FoldNode& node) {
  const Known& x = node.in(0);
  const Tensor& scale = tensor_of(node.in(1), "the scale");
  const Shape& shape = x.value.shape();
  if (node.attributes().integer("block_size", 0) != 0) throw Error("scales by blocks are not supported, expected one an axis");
  const auto along_axis = [&](const Known& factor) {
    const Shape& own = factor.value.shape();
    if (factor.value.size() == 1) return Known{factor.value.reshaped({})};
    const int axis = shape.axis(node.attributes().integer("axis", 1), "axis");
    if (own.rank() != 1 || own[0] != shape[axis])
      throw Error("scale or zero point is {}, expected one for each of axis {} of {}", own, axis, shape);
    Shape spread{own[0]};
    for (int after = axis + 1; after < shape.rank(); ++after) spread.push_back(1);
    return Known{factor.value.reshaped(spread)};
  };
  Known y{tensor_of(x, "the input").to(DType::f64)};
  if (node.has(2)) y = combine(node, y, along_axis(node.in(2)), DType::f64, Sub());
  y = combine(node, y, along_axis({scale}), DType::f32, Mul());
  y.name = x.name;
  return {y};
}

constexpr FoldRow rows[] = {
    {"Abs", unary<absolute>},
    {"Add", binary<Add>},
    {"And", binary<Fixed<std::logical_and<>>>},
    {"Cast", cast},
    {"Ceil", rounded<up>},
    {"DequantizeLinear", dequantize},
    {"Div", binary<Div>},
    {"Equal", comparison<Equal>},
    {"Exp", unary<exponential>},
    {"Floor", rounded<down>},
    {"Greater", comparison<Fixed<std::greater<>>>},
    {"GreaterOrEqual", comparison<Fixed<std::greater_equal<>>>},
    {"Less", comparison<Fixed<std::less<>>>},
    {"LessOrEqual", comparison<Fixed<std::less_equal<>>>},
    {"Log", unary<logarithm>},
    {"Max", binary<Fixed<Larger>>},
    {"Min", binary<Fixed<Smaller>>},
    {"Mod", mod},
    {"Mul", binary<Mul>},
    {"Neg", negative},
    {"Not", unary<no>},
    {"Or", binary<Fixed<std::logical_or<>>>},
    {"Pow", binary<Fixed<Power>>},
    {"Range", range},
    {"Reciprocal", unary<reciprocal>},
    {"ReduceMax", reduce<Fixed<Larger>>},
    {"ReduceMin", reduce<Fixed<Smaller>>},
    {"ReduceProd", reduce<Mul>},
    {"ReduceSum", reduce<Add>},
    {"Round", unary<nearest>},
    {"Sign", unary<sign>},
    {"Sqrt", unary<root>},
    {"Sub", binary<Sub>},
    {"Sum", binary<Add>},
    {"Where", where},
};

}  // namespace

std::span<const FoldRow> arithmetic_folds() { return rows; }

}  // namespace safer::onnx
