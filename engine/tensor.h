#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "engine/shape.h"

namespace safer {

enum class DType : std::uint8_t { f32, f64, i8, u8, i32, i64 };

std::size_t size_of(DType type);  // bytes of one element
std::string_view name(DType type);

template <class T>
constexpr DType dtype_of = [] {
  if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::i64;
  else
    static_assert(sizeof(T) == 0, "no tensor has this element type");
}();

/// A row-major array of one element type. Copies share their memory until one of them is written to (copy on write),
/// so a copy costs a reference count. Reading one tensor from several threads is safe, writing is not.
class Tensor {
 public:
  Tensor() = default;  // no elements: shape [0], f32
  /// Zero-filled, 64-byte aligned.
  Tensor(DType type, const Shape& shape);
  /// A copy of `values`. Throws Error when their number is not shape.size().
  template <class T>
  static Tensor of(const Shape& shape, std::span<const T> values) {
    Tensor tensor(dtype_of<T>, shape);
    tensor.fill_from(values.data(), values.size());
    return tensor;
  }

  DType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return shape_.size(); }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * size_of(type_); }
  const std::byte* raw() const;

  /// The elements, in row-major order. Throws Error when T is not the element type.
  template <class T>
  std::span<const T> values() const {
    require(dtype_of<T>);
    return {reinterpret_cast<const T*>(raw()), static_cast<std::size_t>(size())};
  }
  /// The elements for writing: unshares the memory and gives the tensor a new version. Ask again for each round of
  /// writing; a span kept across reads would let cached packed copies go stale.
  template <class T>
  std::span<T> mutable_values() {
    require(dtype_of<T>);
    return {reinterpret_cast<T*>(mutable_raw()), static_cast<std::size_t>(size())};
  }
  std::byte* mutable_raw();

  /// Equal versions mean equal contents, within a process; 0 for a tensor without elements.
  std::uint64_t version() const;
  /// The same elements converted one by one (float to integer truncates towards zero). Shares memory if nothing changes.
  Tensor to(DType type) const;
  /// The same elements seen with another shape of equal size. Throws Error otherwise.
  Tensor reshaped(const Shape& shape) const;

  /// A derived copy of the contents in a kernel's own layout (`floats` floats, 64-byte aligned), made by `pack` when there is
  /// none yet for this version and `layout`, a number that identifies kernel and layout. Safe to call from several threads. The
  /// memory is kept for the next version, so that packing a weight anew in each training step does not allocate.
  const float* packed(std::uint64_t layout, std::size_t floats, const std::function<void(float*)>& pack) const;

 private:
  struct Storage;
  void require(DType type) const;
  void fill_from(const void* values, std::size_t count);

  std::shared_ptr<Storage> storage_;
  Shape shape_{0};
  DType type_ = DType::f32;
};

}  // namespace safer
