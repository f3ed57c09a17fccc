#include "models/onnx/fold_element.h"

namespace safer::onnx {
namespace {

/// f on every element of a tensor that does not vary with the batch; the result has the same type.
template <double (*f)(double)>
std::vector<Known> unary(const FoldNode& node) {
  const Tensor& x = tensor_of(node.in(0), "the input");
  Tensor y = node.allocate(DType::f64, x.shape());
  const Tensor from = x.to(DType::f64);
  std::ranges::transform(from.values<double>(), y.mutable_values<double>().begin(), f);
  return {{converted(y, x.type())}};
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

std::vector<Known> cast(const FoldNode& node) {
  const ElementType to{static_cast<std::int32_t>(node.attributes().integer("to"))};
  const DType type = stored_type(to, "attribute 'to'");
  const Known& x = node.in(0);
  node.allocate(type, x.value.shape());
  const auto part = [&](const Tensor& tensor) {
    if (to != ElementType::boolean) return converted(tensor, type);
    Tensor flags(DType::u8, tensor.shape());
    const Tensor from = tensor.to(DType::f64);
    std::ranges::transform(from.values<double>(), flags.mutable_values<std::uint8_t>().begin(),
                           [](double element) { return static_cast<std::uint8_t>(element != 0); });
    return flags;
  };
  if (to == ElementType::boolean) return {{part(tensor_of(x, "the input"))}};
  Known y{part(x.value), std::nullopt, x.name};
  if (x.batch) y.batch = part(*x.batch);
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
  return {{converted(y, node.in(0).value.type())}};
}

}  // namespace

std::span<const FoldRow> elementwise_folds() {
  static constexpr FoldRow rows[] = {
      {"Abs", unary<absolute>},
      {"Cast", cast},
      {"Ceil", rounded<up>},
      {"Exp", unary<exponential>},
      {"Floor", rounded<down>},
      {"Log", unary<logarithm>},
      {"Not", unary<no>},
      {"Range", range},
      {"Reciprocal", unary<reciprocal>},
      {"Round", unary<nearest>},
      {"Sign", unary<sign>},
      {"Sqrt", unary<root>},
      {"Where", where},
  };
  return rows;
}

}  // namespace safer::onnx
