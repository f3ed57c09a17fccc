#include "engine/ops/broadcast.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/ops/checks.h"

namespace safer {
namespace {

[[noreturn]] void refuse(std::string_view op, const ValueType& a, const ValueType& b, std::string_view why) {
  throw Error("{}: {} and {} do not fit: {}", op, text(a), text(b), why);
}

}  // namespace

ValueType broadcast(std::string_view op, const ValueType& a, const ValueType& b) {
  require_reals(op, a);
  require_reals(op, b);
  const int rank = std::max(a.shape.rank(), b.shape.rank());
  const auto aligned = [&](const ValueType& type, int axis) { return axis - (rank - type.shape.rank()); };
  const auto size = [&](const ValueType& type, int axis) {
    return aligned(type, axis) < 0 ? std::int64_t{1} : type.shape[aligned(type, axis)];
  };
  const auto is_batch_axis = [&](const ValueType& type, int axis) {
    return type.batched() && aligned(type, axis) == type.batch_axis;
  };

  ValueType result;
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t in_a = size(a, axis), in_b = size(b, axis);
    const bool batch_a = is_batch_axis(a, axis), batch_b = is_batch_axis(b, axis);
    if (batch_a || batch_b) {
      if ((b.batched() && !batch_b) || (a.batched() && !batch_a)) refuse(op, a, b, "their batch axes do not line up");
      if (batch_a && batch_b && in_a != in_b) refuse(op, a, b, "a sample owns different numbers of rows");
      if (!(batch_a && batch_b) && (batch_a ? in_b : in_a) != 1)
        refuse(op, a, b, "what all samples share must have size 1 on the batch axis");
      result.batch_axis = axis;
    } else if (in_a != in_b && in_a != 1 && in_b != 1) {
      refuse(op, a, b, fmt::format("sizes {} and {} on axis {} counted from the last", in_a, in_b, axis - rank));
    }
    result.shape.push_back(in_a == 1 ? in_b : in_a);
  }
  return result;
}

std::array<std::int64_t, Shape::max_rank> broadcast_steps(const Shape& own, const Shape& whole) {
  std::array<std::int64_t, Shape::max_rank> steps = {};
  std::int64_t step = 1;
  for (int axis = own.rank() - 1; axis >= 0; --axis) {
    if (own[axis] != 1) steps[static_cast<std::size_t>(axis + whole.rank() - own.rank())] = step;
    step *= own[axis];
  }
  return steps;
}

}  // namespace safer
