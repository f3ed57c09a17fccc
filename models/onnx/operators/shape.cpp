#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/shape_ops.h"
#include "models/onnx/axes.h"
#include "models/onnx/operators.h"
#include "models/onnx/operators/reshape.h"

namespace safer::onnx {
namespace {

/// Input 0 as a value on the tape, with merged axes if it has them.
Value on_tape(const NodeImport& node) { return node.like(0, node.rows(0)); }

std::vector<Value> reshape_to(const NodeImport& node) {
  const Value x = on_tape(node);
  if (!node.is_known(1)) throw Error("the shape is computed by the network, expected a constant");
  std::vector<Size> sizes = sizes_of(*node.value(1).known, "the shape");
  const std::vector<Size> own = sizes_of(x);
  const bool copies_zeros = node.attributes().integer("allowzero", 0) == 0;
  for (std::size_t axis = 0; axis < sizes.size() && axis < own.size() && copies_zeros; ++axis)
    if (sizes[axis].fixed == 0 && sizes[axis].free == 0) sizes[axis] = own[axis];
  return {reshaped(x, sizes, node.batch_is_baked())};
}

Size product(std::span<const Size> sizes) {
  Size all{1, 0};
  for (const Size& size : sizes) {
    if (size.free != 0 && all.free != 0) throw Error("two axes vary with the batch");
    all = size.free != 0 ? Size{0, all.fixed * size.free} : Size{all.fixed * size.fixed, all.free * size.fixed};
  }
  return all;
}

std::vector<Value> flatten_to(const NodeImport& node) {
  const Value x = on_tape(node);
  const std::vector<Size> own = sizes_of(x);
  const auto rank = static_cast<std::int64_t>(own.size());
  std::int64_t axis = node.attributes().integer("axis", 1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis > rank) throw Error("axis {} of {}", axis, text(x.var.type()));
  const std::span all(own);
  const auto split = static_cast<std::size_t>(axis);
  return {reshaped(x, {product(all.first(split)), product(all.subspan(split))}, false)};
}

std::vector<Value> squeeze(const NodeImport& node) {
  const Value x = on_tape(node);
  const std::vector<Size> own = sizes_of(x);
  Shape seen;  // an axis of the batch is never 1, however large the batch is
  for (const Size& size : own) seen.push_back(size.free != 0 ? -1 : size.fixed);
  const std::vector<int> gone = squeezed_axes(seen, node.integers(1, "axes"));
  std::vector<Size> sizes;
  for (std::size_t axis = 0; axis < own.size(); ++axis)
    if (std::ranges::find(gone, static_cast<int>(axis)) == gone.end()) sizes.push_back(own[axis]);
  return {reshaped(x, sizes, false)};
}

std::vector<Value> unsqueeze(const NodeImport& node) {
  const Value x = on_tape(node);
  std::vector<Size> own = sizes_of(x), sizes;
  const Shape marks = with_axes(Shape(std::vector<std::int64_t>(own.size(), 0)), node.integers(1, "axes"));
  auto next = own.begin();
  for (const std::int64_t added : marks) sizes.push_back(added ? Size{1, 0} : *next++);
  return {reshaped(x, sizes, false)};
}

std::vector<Value> transpose_axes(const NodeImport& node) {
  const Var x = node.var(0);
  return single(transpose(x, permutation_of(x.shape().rank(), node.attributes().integers("perm"))));
}

/// What all samples share, repeated for each of them where others vary over the batch.
Var with_batch(Var x, const ValueType& like) {
  if (x.type().batched() || !like.batched()) return x;
  if (x.shape().rank() != like.shape.rank() || x.shape()[like.batch_axis] != like.shape[like.batch_axis])
    throw Error("{} cannot be repeated over the batch of {}", text(x.type()), text(like));
  return repeat(x, like.batch_axis);
}

std::vector<Value> concat_values(const NodeImport& node) {
  std::vector<Var> values;
  ValueType like;
  for (std::size_t i = 0; i < node.inputs(); ++i) {
    values.push_back(node.var(i, Role::embedding));
    if (values.back().type().batched()) like = values.back().type();
  }
  if (values.empty()) throw Error("no inputs");
  for (Var& value : values) value = with_batch(value, like);
  return single(values.size() == 1 ? values[0] : concat(values, node.attributes().integer("axis", 1)));
}

std::vector<Value> split_axis(const NodeImport& node) {
  const Var x = node.var(0);
  const int axis = x.shape().axis(node.attributes().integer("axis", 0), "axis");
  std::vector<Value> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : split_sizes(x.shape()[axis], node.outputs(), node.integers(1, "split"))) {
    parts.push_back({nullptr, slice(x, axis, begin, begin + size)});
    begin += size;
  }
  return parts;
}

Var places(Var x, int axis, const std::vector<std::int64_t>& indices, const Shape& shape) {
  return gather(x, x.tape().constant("places", Tensor::of<std::int64_t>(shape, indices)), axis);
}

Var cut_axis(const NodeImport& node, Var x, const Cut& cut) {
  if (cut.count == x.shape()[cut.axis] && cut.step == 1) return x;
  if (cut.step > 0) return slice(x, cut.axis, cut.begin, cut.begin + (cut.count - 1) * cut.step + 1, cut.step);
  node.spend(cut.count);
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < cut.count; ++i) indices.push_back(cut.begin + i * cut.step);
  return places(x, cut.axis, indices, {cut.count});
}

/// Slice's ends. One that varies with the batch can only be all of the batch's own axis, which is as good as no end.
std::vector<std::int64_t> ends_of(const NodeImport& node, const ValueType& x) {
  if (!node.is_known(2)) return node.integers(2, "ends");
  std::vector<std::int64_t> ends;
  for (const Size& end : sizes_of(*node.value(2).known, "ends")) {
    const bool whole_batch = x.batched() && end.fixed == 0 && end.free == x.shape[x.batch_axis];
    if (end.free != 0 && !whole_batch) throw Error("ends depend on the number of samples in a batch, expected constants");
    ends.push_back(end.free != 0 ? std::numeric_limits<std::int64_t>::max() : end.fixed);
  }
  return ends;
}

std::vector<Value> slice_axes(const NodeImport& node) {
  Var x = node.var(0);
  constexpr std::int64_t no_end = std::int64_t{1} << 30;
  const std::vector<std::int64_t> ends = ends_of(node, x.type());
  const std::vector<Cut> all =
      cuts(x.shape(), node.integers(1, "starts"), ends, node.integers(3, "axes"), node.integers(4, "steps"));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Cut& cut = all[i];
    const bool everything = cut.begin == 0 && cut.step == 1 && ends[i] > no_end;
    if (cut.axis == x.type().batch_axis && everything) continue;
    if (cut.axis == x.type().batch_axis)
      throw Error("axis {} of {} is that of the batch, which cannot be cut", cut.axis, text(x.type()));
    if (cut.count == 0) throw Error("nothing is left of axis {} of {}", cut.axis, text(x.type()));
    x = cut_axis(node, x, cut);
  }
  return single(x);
}

std::vector<Value> gather_places(const NodeImport& node) {
  const Var x = node.var(0, Role::embedding);
  const int axis = x.shape().axis(node.attributes().integer("axis", 0), "axis");
  if (!node.is_known(1)) return single(gather(x, node.var(1), axis));
  const Shape shape = node.constant(1, "the indices").shape();
  const std::vector<std::int64_t> indices = places_of(node.integers(1, "the indices"), x.shape()[axis]);
  if (shape.rank() > 0 || axis == x.type().batch_axis) return single(places(x, axis, indices, shape));
  const ValueType type = x.type();
  const Var one = slice(x, axis, indices[0], indices[0] + 1);
  return single(reshape(one, without_axes(one.shape(), {axis}), type.batch_axis > axis ? type.batch_axis - 1 : type.batch_axis));
}

/// `x` repeated to sizes of which one may be that of the batch.
Var expanded(Var x, const std::vector<Size>& sizes) {
  std::vector<Size> own = sizes_of(Value{nullptr, x}), target = sizes;
  while (target.size() < own.size()) target.insert(target.begin(), {1, 0});
  ValueType to{Shape(std::vector<std::int64_t>(target.size(), 1)), -1, x.type().type};
  for (std::size_t axis = 0; axis < target.size(); ++axis) {
    const std::size_t lacking = target.size() - own.size();
    const Size mine = axis < lacking ? Size{1, 0} : own[axis - lacking];
    const Size wanted = target[axis].fixed == 1 && target[axis].free == 0 ? mine : target[axis];
    if (wanted.free != 0) to.batch_axis = static_cast<int>(axis);
    to.shape[static_cast<int>(axis)] = wanted.free != 0 ? wanted.free : wanted.fixed;
  }
  to.shape = Shape(std::span(to.shape.begin(), to.shape.end()));  // checks the number of elements
  return to == x.type() ? x : expand(x, to);
}

std::vector<Value> expand_to(const NodeImport& node) {
  if (!node.is_known(1)) throw Error("the shape is computed by the network, expected a constant");
  return single(expanded(node.var(0, Role::embedding), sizes_of(*node.value(1).known, "the shape")));
}

std::vector<Value> constant_of_shape(const NodeImport& node) {
  if (!node.is_known(0)) throw Error("the shape is computed by the network, expected a constant");
  const bool given = node.attributes().has("value");
  const double value = given ? node.attributes().tensor("value").to(DType::f64).values<double>()[0] : 0;
  return single(expanded(node.tape().constant("constant", Tensor::of<double>(Shape{}, std::span(&value, 1))),
                         sizes_of(*node.value(0).known, "the shape")));
}

std::vector<Value> tile(const NodeImport& node) {
  Var x = node.var(0);
  const std::vector<std::int64_t> repeats = node.integers(1, "repeats");
  if (repeats.size() != static_cast<std::size_t>(x.shape().rank()))
    throw Error("{} repeats for {}", repeats.size(), text(x.type()));
  constexpr std::int64_t most = 4096;
  for (std::size_t axis = 0; axis < repeats.size(); ++axis) {
    if (repeats[axis] < 1 || repeats[axis] > most) throw Error("repeats: {}, expected 1 to {}", repeats[axis], most);
    if (repeats[axis] > 1)
      x = concat(std::vector<Var>(static_cast<std::size_t>(repeats[axis]), x), static_cast<std::int64_t>(axis));
  }
  return single(x);
}

/// Blocks of b x b pixels from b x b channels: [N, C b b, H, W] to [N, C, H b, W b], which channels first or last.
std::vector<Value> depth_to_space(const NodeImport& node) {
  const Var x = node.var(0);
  const std::int64_t b = node.attributes().integer("blocksize");
  const Shape s = x.shape();
  if (s.rank() != 4 || b < 1 || s[1] % b != 0 || s[1] / b % b != 0) throw Error("blocks of {} in {}", b, text(x.type()));
  const std::int64_t channels = s[1] / b / b;
  const bool depth_first = node.attributes().text("mode", "DCR") == "DCR";
  const Var split =
      depth_first ? reshape(x, {s[0], b, b, channels, s[2], s[3]}, 0) : reshape(x, {s[0], channels, b, b, s[2], s[3]}, 0);
  const Var turned =
      transpose(split, depth_first ? std::vector<std::int64_t>{0, 3, 4, 1, 5, 2} : std::vector<std::int64_t>{0, 1, 4, 2, 5, 3});
  return single(reshape(turned, {s[0], channels, s[2] * b, s[3] * b}, 0));
}

std::vector<Value> space_to_depth(const NodeImport& node) {
  const Var x = node.var(0);
  const std::int64_t b = node.attributes().integer("blocksize");
  const Shape s = x.shape();
  if (s.rank() != 4 || b < 1 || s[2] % b != 0 || s[3] % b != 0) throw Error("blocks of {} in {}", b, text(x.type()));
  const Var split = reshape(x, {s[0], s[1], s[2] / b, b, s[3] / b, b}, 0);
  return single(reshape(transpose(split, {0, 3, 5, 1, 2, 4}), {s[0], s[1] * b * b, s[2] / b, s[3] / b}, 0));
}

std::vector<Value> shape(const NodeImport& node) {
  const std::vector<Size> sizes = sizes_of(node.value(0));
  const auto rank = static_cast<std::int64_t>(sizes.size());
  const auto place = [&](std::int64_t given) { return std::clamp<std::int64_t>(given < 0 ? given + rank : given, 0, rank); };
  const std::int64_t begin = place(node.attributes().integer("start", 0)), end = place(node.attributes().integer("end", rank));
  std::vector<std::int64_t> fixed, free;
  for (std::int64_t axis = begin; axis < end; ++axis) {
    fixed.push_back(sizes[static_cast<std::size_t>(axis)].fixed);
    free.push_back(sizes[static_cast<std::size_t>(axis)].free);
  }
  Known known = known_integers(fixed);
  if (std::ranges::any_of(free, [](std::int64_t size) { return size != 0; })) known.batch = known_integers(free).value;
  return single(std::move(known));
}

std::vector<Value> size(const NodeImport& node) {
  const Size all = product(sizes_of(node.value(0)));
  Known known{Tensor::of<std::int64_t>(Shape{}, std::span(&all.fixed, 1))};
  if (all.free != 0) known.batch = Tensor::of<std::int64_t>(Shape{}, std::span(&all.free, 1));
  return single(std::move(known));
}

/// What does nothing to a trained network's values.
std::vector<Value> identity(const NodeImport& node) {
  if (node.wants(1)) throw Error("its second output is wanted, expected the first alone");
  const bool drops = node.has(2) && node.scalar(2, "the training mode") != 0 && !(node.has(1) && node.scalar(1, "the ratio") == 0);
  if (drops) throw Error("it drops elements, expected a network exported for inference");
  return {node.value(0)};
}

std::vector<Value> cast(const NodeImport& node) {
  const ElementType to{static_cast<std::int32_t>(node.attributes().integer("to"))};
  const DType type = stored_type(to, "attribute 'to'");
  if (type != DType::f32 && type != DType::f64) throw Error("what the network computes becomes {}, expected float", name(to));
  return {on_tape(node)};
}

}  // namespace

std::span<const Operator> shape_operators() {
  static constexpr Operator rows[] = {
      {"Cast", cast},
      {"Concat", concat_values},
      {"ConstantOfShape", constant_of_shape},
      {"DepthToSpace", depth_to_space},
      {"Dropout", identity},
      {"Expand", expand_to},
      {"Flatten", flatten_to},
      {"Gather", gather_places},
      {"Identity", identity},
      {"Reshape", reshape_to},
      {"Shape", shape},
      {"Size", size},
      {"Slice", slice_axes},
      {"SpaceToDepth", space_to_depth},
      {"Split", split_axis},
      {"Squeeze", squeeze},
      {"Tile", tile},
      {"Transpose", transpose_axes},
      {"Unsqueeze", unsqueeze},
  };
  return rows;
}

}  // namespace safer::onnx
