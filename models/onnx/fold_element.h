#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "models/onnx/fold.h"

/// Numbers that may vary with the batch, and what can be computed with them so that it stays open.
namespace safer::onnx {

/// One element: value + batch * N. T is double, or int64 whose overflow wraps around as in two's complement.
template <class T>
struct Element {
  T value = 0, batch = 0;
};

[[noreturn]] inline void unknown_batch() {
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

inline bool is_real(const Tensor& x) { return x.type() == DType::f32 || x.type() == DType::f64; }

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
  template <class T>
  double operator()(T a, T b) const {
    return std::pow(static_cast<double>(a), static_cast<double>(b));
  }
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

/// The elements as another type; numbers that it cannot hold become the nearest that 64-bit integers have, and NaN 0.
inline Tensor converted(const Tensor& x, DType type) {
  if (!is_real(x) || type == DType::f32 || type == DType::f64) return x.to(type);
  Tensor whole(DType::i64, x.shape());
  const Tensor from = x.to(DType::f64);
  const double most = 9.2e18;
  std::ranges::transform(from.values<double>(), whole.mutable_values<std::int64_t>().begin(), [most](double element) {
    return std::isnan(element) ? 0 : static_cast<std::int64_t>(std::clamp(element, -most, most));
  });
  return whole.to(type);
}

}  // namespace safer::onnx
