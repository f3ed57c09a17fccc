#include "engine/ops/checks.h"

#include "engine/error.h"

namespace safer {

std::string text(const ValueType& type) {
  std::string text = "[";
  for (int axis = 0; axis < type.shape.rank(); ++axis) {
    const std::int64_t size = type.shape[axis];
    text += axis > 0 ? ", " : "";
    if (axis != type.batch_axis)
      text += std::to_string(size);
    else
      text += size == 1 ? "N" : std::to_string(size) + "N";
  }
  return text + "]";
}

void require_reals(std::string_view op, const ValueType& x) {
  if (x.type != DType::f32) throw Error("{}: the input {} holds {} numbers, expected reals (f32)", op, text(x), name(x.type));
}

void require_indices(std::string_view op, const ValueType& x) {
  if (x.type != DType::i64) throw Error("{}: the indices {} hold {} numbers, expected i64", op, text(x), name(x.type));
}

}  // namespace safer
