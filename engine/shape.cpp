#include "engine/shape.h"

#include <limits>

#include "engine/error.h"

namespace safer {

Shape::Shape(std::span<const std::int64_t> axes) {
  if (axes.size() > max_rank) throw Error("shape: {} axes, but at most {} are supported", axes.size(), int{max_rank});
  std::int64_t product = 1;
  for (const std::int64_t size : axes) {
    if (size < 0) throw Error("shape: axis {} has the negative size {}", rank_, size);
    if (size != 0 && product > std::numeric_limits<std::int64_t>::max() / size)
      throw Error("shape: the number of elements does not fit into 63 bits");
    if (size != 0) product *= size;
    axes_[static_cast<std::size_t>(rank_++)] = size;
  }
}

std::int64_t Shape::size(int first, int last) const {
  std::int64_t product = 1;
  for (int axis = first; axis < last; ++axis) product *= (*this)[axis];
  return product;
}

void Shape::push_back(std::int64_t size) {
  if (rank_ == max_rank) throw Error("shape: {} has the most axes supported ({})", *this, int{max_rank});
  axes_[static_cast<std::size_t>(rank_++)] = size;
}

int Shape::axis(std::int64_t index, std::string_view who) const {
  const std::int64_t found = index < 0 ? index + rank_ : index;
  if (found < 0 || found >= rank_)
    throw Error("{}: axis {} is out of range for shape {} (expected {} to {})", who, index, *this, -rank_, rank_ - 1);
  return static_cast<int>(found);
}

std::string Shape::str() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) fmt::format_to(std::back_inserter(text), "{}{}", axis ? ", " : "", (*this)[axis]);
  return text + "]";
}

}  // namespace safer
