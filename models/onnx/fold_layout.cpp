#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "models/onnx/axes.h"
#include "models/onnx/fold.h"

namespace safer::onnx {
namespace {

/// f on both parts of x, which f moves but does not change. What is left may no longer vary with the batch.
template <class F>
Known moved(const Known& x, const F& f) {
  Known y{f(x.value), std::nullopt, x.name};
  if (!x.batch) return y;
  const Tensor batch = f(*x.batch);
  const std::span bytes(batch.raw(), batch.bytes());
  if (std::ranges::any_of(bytes, [](std::byte byte) { return byte != std::byte{0}; })) y.batch = batch;
  return y;
}

std::vector<Known> viewed(const FoldNode& node, const StridedView& view) {
  return {moved(node.in(0), [&](const Tensor& x) { return take(node, x, view); })};
}

std::vector<Known> reshaped(const Known& x, const Shape& shape) {
  return {moved(x, [&](const Tensor& tensor) { return tensor.reshaped(shape); })};
}

/// PyTorch's exporter keeps one of several equal tensors, and gives the others their names by this operator.
std::vector<Known> identity(const FoldNode& node) {
  Known x = node.in(0);
  if (!x.name.empty() && !node.node.outputs.empty() && !is_made_up(node.node.outputs[0])) x.name = node.node.outputs[0];
  return {x};
}

std::vector<Known> reshape(const FoldNode& node) {
  const Known& x = node.in(0);
  std::vector<std::int64_t> sizes = integers_of(node.in(1), "shape");
  const bool copies_zeros = node.attributes().integer("allowzero", 0) == 0;
  std::int64_t rest = 1;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    if (sizes[axis] == 0 && copies_zeros && axis < static_cast<std::size_t>(x.value.shape().rank()))
      sizes[axis] = x.value.shape()[static_cast<int>(axis)];
    if (sizes[axis] != -1) rest = Shape{rest, sizes[axis]}.size();
  }
  if (const auto open = std::ranges::find(sizes, -1); open != sizes.end()) *open = rest == 0 ? 0 : x.value.size() / rest;
  return reshaped(x, Shape(sizes));
}

std::vector<Known> squeeze(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  return reshaped(node.in(0), without_axes(shape, squeezed_axes(shape, node.integers(1, "axes"))));
}

std::vector<Known> unsqueeze(const FoldNode& node) {
  return reshaped(node.in(0), with_axes(node.in(0).value.shape(), node.integers(1, "axes")));
}

std::vector<Known> flatten(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const std::int64_t given = node.attributes().integer("axis", 1);
  const int axis = given == shape.rank() ? shape.rank() : shape.axis(given, "axis");
  return reshaped(node.in(0), {shape.size(0, axis), shape.size(axis, shape.rank())});
}

std::vector<Known> transpose(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const std::vector<std::int64_t> permutation = permutation_of(shape.rank(), node.attributes().integers("perm"));
  const StridedView dense = whole(shape);
  StridedView view{shape};
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto from = static_cast<std::size_t>(permutation[static_cast<std::size_t>(axis)]);
    view.shape[axis] = shape[static_cast<int>(from)];
    view.steps[static_cast<std::size_t>(axis)] = dense.steps[from];
  }
  return viewed(node, view);
}

std::vector<Known> slice(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  StridedView view = whole(shape);
  for (const Cut& cut :
       cuts(shape, node.integers(1, "starts"), node.integers(2, "ends"), node.integers(3, "axes"), node.integers(4, "steps"))) {
    std::int64_t& step = view.steps[static_cast<std::size_t>(cut.axis)];
    view.start += cut.begin * step;
    step *= cut.step;
    view.shape[cut.axis] = cut.count;
  }
  if (view.shape.size() == 0) view.start = 0;
  return viewed(node, view);
}

/// The parts along one axis put into one tensor of `shape`.
Tensor joined(const FoldNode& node, const std::vector<Tensor>& parts, const Shape& shape, int axis) {
  Tensor result = node.allocate(parts[0].type(), shape);
  if (result.size() == 0) return result;
  std::byte* to = result.mutable_raw();
  const auto outer = static_cast<std::size_t>(shape.size(0, axis));
  for (std::size_t k = 0; k < outer; ++k)
    for (const Tensor& part : parts) {
      const std::size_t run = part.bytes() / outer;
      if (run == 0) continue;
      std::memcpy(to, part.raw() + k * run, run);
      to += run;
    }
  return result;
}

std::vector<Known> concat(const FoldNode& node) {
  Shape shape = node.in(0).value.shape();
  const int axis = shape.axis(node.attributes().integer("axis", 1), "axis");
  std::vector<Tensor> values, factors;
  bool varies = false;
  std::int64_t along = 0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Known& x = node.in(i);
    Shape same = x.value.shape();
    if (same.rank() == shape.rank()) same[axis] = shape[axis];
    if (same != shape || x.value.type() != values.emplace_back(x.value).type() || x.value.type() != values[0].type())
      throw Error("{} and {} cannot be joined along axis {}", shape, x.value.shape(), axis);
    along += x.value.shape()[axis];
    varies = varies || x.batch.has_value();
    factors.push_back(x.batch ? *x.batch : Tensor(x.value.type(), x.value.shape()));
  }
  shape[axis] = along;
  shape = Shape(std::span(shape.begin(), shape.end()));  // checks the number of elements
  Known y{joined(node, values, shape, axis)};
  if (varies) y.batch = joined(node, factors, shape, axis);
  return {y};
}

std::vector<Known> gather(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const int axis = shape.axis(node.attributes().integer("axis", 0), "axis");
  const Tensor& indices = tensor_of(node.in(1), "indices");
  std::vector<std::int64_t> sizes(shape.begin(), shape.begin() + axis);
  sizes.insert(sizes.end(), indices.shape().begin(), indices.shape().end());
  sizes.insert(sizes.end(), shape.begin() + axis + 1, shape.end());
  const std::vector<std::int64_t> places = places_of(integers_of(node.in(1), "indices"), shape[axis]);
  const std::int64_t outer = shape.size(0, axis), inner = shape.size(axis + 1, shape.rank());
  const Known y = moved(node.in(0), [&](const Tensor& x) {
    Tensor result = node.allocate(x.type(), Shape(sizes));
    const std::size_t run = static_cast<std::size_t>(inner) * size_of(x.type());
    if (result.size() == 0) return result;
    std::byte* to = result.mutable_raw();
    for (std::int64_t o = 0; o < outer; ++o)
      for (const std::int64_t place : places) {
        std::memcpy(to, x.raw() + static_cast<std::size_t>(o * shape[axis] + place) * run, run);
        to += run;
      }
    return result;
  });
  return {{y.value, y.batch, {}}};
}

std::vector<Known> split(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const int axis = shape.axis(node.attributes().integer("axis", 0), "axis");
  const std::size_t count = node.node.outputs.size();
  std::vector<Known> parts;
  StridedView view = whole(shape);
  for (const std::int64_t size : split_sizes(shape[axis], count, node.integers(1, "split"))) {
    view.shape[axis] = size;
    parts.push_back(viewed(node, view)[0]);
    view.start += size * view.steps[static_cast<std::size_t>(axis)];
  }
  return parts;
}

std::vector<Known> expand(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const Shape whole_shape = broadcast_shape(shape, Shape(integers_of(node.in(1), "shape")));
  if (whole_shape == shape) return {node.in(0)};
  return viewed(node, broadcast_view(shape, whole_shape));
}

std::vector<Known> tile(const FoldNode& node) {
  const Shape& shape = node.in(0).value.shape();
  const std::vector<std::int64_t> repeats = integers_of(node.in(1), "repeats");
  if (repeats.size() != static_cast<std::size_t>(shape.rank())) throw Error("{} repeats for {}", repeats.size(), shape);
  // Each axis as two, of which the first repeats.
  std::vector<std::int64_t> doubled, sizes;
  StridedView view;
  const StridedView dense = whole(shape);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    doubled.insert(doubled.end(), {repeats[a], shape[axis]});
    sizes.push_back(Shape{repeats[a], shape[axis]}.size());
  }
  view.shape = Shape(doubled);
  for (int axis = 0; axis < shape.rank(); ++axis)
    view.steps[static_cast<std::size_t>(2 * axis + 1)] = dense.steps[static_cast<std::size_t>(axis)];
  return reshaped(viewed(node, view)[0], Shape(sizes));
}

/// Where the slice that an index for each of the first axes names begins, counted in slices.
std::int64_t place_of(const Shape& shape, std::span<const std::int64_t> indices) {
  std::int64_t at = 0;
  for (std::size_t axis = 0; axis < indices.size(); ++axis) {
    const std::int64_t size = shape[static_cast<int>(axis)];
    at = at * size + places_of({indices[axis]}, size)[0];
  }
  return at;
}

/// ScatterND that adds the updates to what is there, or multiplies.
Tensor scattered(const FoldNode& node, const Tensor& x, const Tensor& updates, std::span<const std::int64_t> indices, int depth,
                 bool adds) {
  const Shape& shape = x.shape();
  node.allocate(DType::f64, shape);
  Tensor sums = x.to(DType::f64);
  const Tensor terms = updates.to(DType::f64);
  const auto run = static_cast<std::size_t>(shape.size(depth, shape.rank())), width = static_cast<std::size_t>(depth);
  const auto to = sums.mutable_values<double>();
  for (std::size_t i = 0; i < terms.values<double>().size(); ++i) {
    const std::size_t slice_number = i / run;
    const std::int64_t at = place_of(shape, indices.subspan(slice_number * width, width));
    double& element = to[static_cast<std::size_t>(at) * run + i % run];
    element = adds ? element + terms.values<double>()[i] : element * terms.values<double>()[i];
  }
  return sums.to(x.type());
}

/// x with the slices that `indices` [..., k] name along its first k axes replaced by those of `updates`, one after the other.
std::vector<Known> scatter(const FoldNode& node) {
  const Tensor &x = tensor_of(node.in(0), "the data"), &updates = tensor_of(node.in(2), "the updates");
  const Shape &shape = x.shape(), &places = node.in(1).value.shape();
  const std::string reduction = node.attributes().text("reduction", "none");
  if (reduction != "none" && reduction != "add" && reduction != "mul") throw Error("attribute 'reduction' is '{}'", reduction);
  const int rank = places.rank(),
            depth = rank == 0 ? 0 : static_cast<int>(std::min<std::int64_t>(places[rank - 1], Shape::max_rank));
  if (depth < 1 || depth > shape.rank()) throw Error("the indices are {} for data {}", places, shape);
  const std::int64_t count = places.size(0, rank - 1), run = shape.size(depth, shape.rank());
  if (updates.type() != x.type() || count < 0 || updates.size() != Shape{count, run}.size())
    throw Error("the updates are {} for indices {} and data {}", updates.shape(), places, shape);
  const std::vector<std::int64_t> indices = integers_of(node.in(1), "the indices");
  if (reduction != "none") return {{scattered(node, x, updates, indices, depth, reduction == "add")}};
  Tensor y = take(node, x, whole(shape));
  const std::size_t bytes = static_cast<std::size_t>(run) * size_of(x.type());
  for (std::int64_t i = 0; bytes > 0 && i < count; ++i) {
    const std::int64_t at =
        place_of(shape, std::span(indices).subspan(static_cast<std::size_t>(i * depth), static_cast<std::size_t>(depth)));
    std::memcpy(y.mutable_raw() + static_cast<std::size_t>(at) * bytes, updates.raw() + static_cast<std::size_t>(i) * bytes, bytes);
  }
  return {{y}};
}

std::vector<Known> constant(const FoldNode& node) {
  const Attributes a = node.attributes();
  const auto scalar = [](auto value) { return Tensor::of<decltype(value)>(Shape{}, std::span<const decltype(value)>(&value, 1)); };
  if (a.has("value")) return {{a.tensor("value")}};
  if (a.has("value_float")) return {{scalar(static_cast<float>(a.number("value_float")))}};
  if (a.has("value_int")) return {{scalar(a.integer("value_int"))}};
  if (a.has("value_ints")) return {known_integers(a.integers("value_ints"))};
  if (a.has("value_floats")) {
    const std::vector<float> values = a.numbers("value_floats");
    return {{Tensor::of<float>({static_cast<std::int64_t>(values.size())}, values)}};
  }
  throw Error("holds neither a tensor nor numbers");
}

std::vector<Known> constant_of_shape(const FoldNode& node) {
  const Shape shape(integers_of(node.in(0), "shape"));
  if (!node.attributes().has("value")) return {{node.allocate(DType::f32, shape)}};
  const Tensor& value = node.attributes().tensor("value");
  if (value.size() != 1) throw Error("attribute 'value' is {}, expected one element", value.shape());
  return {{take(node, value, StridedView{shape})}};
}

}  // namespace

std::span<const FoldRow> layout_folds() {
  static constexpr FoldRow rows[] = {
      {"Concat", concat},     {"Constant", constant},   {"ConstantOfShape", constant_of_shape},
      {"Expand", expand},     {"Flatten", flatten},     {"Gather", gather},
      {"Identity", identity}, {"Reshape", reshape},     {"ScatterND", scatter},
      {"Slice", slice},       {"Split", split},         {"Squeeze", squeeze},
      {"Tile", tile},         {"Transpose", transpose}, {"Unsqueeze", unsqueeze},
  };
  return rows;
}

}  // namespace safer::onnx
