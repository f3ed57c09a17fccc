#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor.h"

namespace safer::onnx {

/// A tensor that is known without running the network: an initializer, a shape, or what is computed from those. How many samples a
/// batch has stays open: each element is value + batch * N.
struct Known {
  Tensor value;
  std::optional<Tensor> batch = {};  // of the same type and shape; none: all 0
  std::string name = {};             // of the initializer that this is, perhaps in another layout; else empty
};

/// Whether an exporter made this name up for a tensor that it computed, so that it says nothing to whoever made the network.
bool is_made_up(std::string_view name);

/// A constant of integers.
Known known_integers(const std::vector<std::int64_t>& values);
/// The elements as integers. Throws Error, beginning with `what`, when they are none or vary with the batch.
std::vector<std::int64_t> integers_of(const Known& known, std::string_view what);
/// The tensor. Throws Error, beginning with `what`, when it varies with the batch.
const Tensor& tensor_of(const Known& known, std::string_view what);

/// How a tensor of `shape` reads its elements from another: from `start` on, `steps` apart along each axis.
struct StridedView {
  Shape shape;
  std::array<std::int64_t, Shape::max_rank> steps = {};
  std::int64_t start = 0;
};
/// All of a dense tensor.
StridedView whole(const Shape& shape);
/// A dense tensor of `own` as numpy broadcasts it to `shape`. Throws Error when it does not fit.
StridedView broadcast_view(const Shape& own, const Shape& shape);
/// The shape of tensors that are broadcast together. Throws Error when they do not fit.
Shape broadcast_shape(const Shape& a, const Shape& b);

/// f(element number of the view's tensor) for each element of the view in order.
template <class F>
void each_element(const StridedView& view, const F& f) {
  const std::int64_t size = view.shape.size();
  std::array<std::int64_t, Shape::max_rank> at = {};
  std::int64_t source = view.start;
  for (std::int64_t i = 0; i < size; ++i) {
    f(source);
    for (int axis = view.shape.rank() - 1; axis >= 0; --axis) {
      const auto a = static_cast<std::size_t>(axis);
      source += view.steps[a];
      if (++at[a] < view.shape[axis]) break;
      source -= view.steps[a] * at[a];
      at[a] = 0;
    }
  }
}

}  // namespace safer::onnx
