#include "models/onnx/known.h"

#include <algorithm>

#include "engine/error.h"

namespace safer::onnx {

bool is_made_up(std::string_view name) {
  return name.starts_with("onnx::") || name.starts_with("const_fold_opt") ||
         std::ranges::all_of(name, [](unsigned char c) { return c >= '0' && c <= '9'; });
}

Known known_integers(const std::vector<std::int64_t>& values) {
  return {Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values)};
}

const Tensor& tensor_of(const Known& known, std::string_view what) {
  if (known.batch) throw Error("{} depends on the number of samples in a batch, expected a constant", what);
  return known.value;
}

std::vector<std::int64_t> integers_of(const Known& known, std::string_view what) {
  const Tensor& tensor = tensor_of(known, what);
  if (tensor.type() == DType::f32 || tensor.type() == DType::f64)
    throw Error("{} holds {} elements, expected integers", what, name(tensor.type()));
  const Tensor converted = tensor.to(DType::i64);
  const auto values = converted.values<std::int64_t>();
  return {values.begin(), values.end()};
}

StridedView whole(const Shape& shape) { return broadcast_view(shape, shape); }

StridedView broadcast_view(const Shape& own, const Shape& shape) {
  StridedView view{shape};
  const int lacking = shape.rank() - own.rank();
  std::int64_t step = 1;
  bool fits = lacking >= 0;
  for (int axis = own.rank() - 1; fits && axis >= 0; --axis) {
    fits = own[axis] == shape[axis + lacking] || own[axis] == 1;
    view.steps[static_cast<std::size_t>(axis + lacking)] = own[axis] == 1 ? 0 : step;
    step *= own[axis];
  }
  if (!fits) throw Error("{} cannot be broadcast to {}", own, shape);
  return view;
}

Shape broadcast_shape(const Shape& a, const Shape& b) {
  std::vector<std::int64_t> sizes;
  const int rank = std::max(a.rank(), b.rank());
  for (int axis = 0; axis < rank; ++axis) {
    const int in_a = axis - rank + a.rank(), in_b = axis - rank + b.rank();
    const std::int64_t of_a = in_a < 0 ? 1 : a[in_a], of_b = in_b < 0 ? 1 : b[in_b];
    if (of_a != of_b && of_a != 1 && of_b != 1) throw Error("{} and {} cannot be broadcast together", a, b);
    sizes.push_back(of_a == 1 ? of_b : of_a);
  }
  return Shape(sizes);
}

}  // namespace safer::onnx
