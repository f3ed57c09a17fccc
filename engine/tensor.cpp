#include "engine/tensor.h"

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "engine/aligned.h"
#include "engine/error.h"

namespace safer {
namespace {

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

template <class From, class To>
void convert(const std::byte* from, std::byte* to, std::int64_t count) {
  const auto* source = reinterpret_cast<const From*>(from);
  auto* target = reinterpret_cast<To*>(to);
  for (std::int64_t i = 0; i < count; ++i) target[i] = static_cast<To>(source[i]);
}

/// Calls f with a value of the element type, so that f can name it.
template <class F>
void with_type(DType type, F f) {
  switch (type) {
    case DType::f32: return f(float{});
    case DType::f64: return f(double{});
    case DType::i8: return f(std::int8_t{});
    case DType::u8: return f(std::uint8_t{});
    case DType::i32: return f(std::int32_t{});
    case DType::i64: return f(std::int64_t{});
  }
}

}  // namespace

std::size_t size_of(DType type) {
  std::size_t bytes = 0;
  with_type(type, [&](auto value) { bytes = sizeof(value); });
  return bytes;
}

std::string_view name(DType type) {
  constexpr std::string_view names[] = {"f32", "f64", "i8", "u8", "i32", "i64"};
  return names[static_cast<std::size_t>(type)];
}

struct Tensor::Storage {
  explicit Storage(std::size_t size) : bytes(aligned_bytes(size)) {}

  struct Packed {
    std::uint64_t layout = 0, version = 0;
    std::size_t floats = 0;
    AlignedBytes bytes;
  };
  AlignedBytes bytes;
  std::uint64_t version = next_version();
  std::mutex packing;
  std::vector<Packed> packed;  // one entry a layout in use, hardly ever more than two
};

Tensor::Tensor(DType type, const Shape& shape) : shape_(shape), type_(type) {
  if (bytes() == 0) return;
  storage_ = std::make_shared<Storage>(bytes());
  std::memset(storage_->bytes.get(), 0, bytes());
}

const std::byte* Tensor::raw() const { return storage_ ? storage_->bytes.get() : nullptr; }

std::byte* Tensor::mutable_raw() {
  if (!storage_) return nullptr;
  if (storage_.use_count() > 1) {
    auto own = std::make_shared<Storage>(bytes());
    std::memcpy(own->bytes.get(), storage_->bytes.get(), bytes());
    storage_ = std::move(own);
  } else {
    storage_->version = next_version();
  }
  return storage_->bytes.get();
}

std::uint64_t Tensor::version() const { return storage_ ? storage_->version : 0; }

Tensor Tensor::to(DType type) const {
  if (type == type_) return *this;
  Tensor result(type, shape_);
  if (size() == 0) return result;
  std::byte* target = result.mutable_raw();
  with_type(type_,
            [&](auto from) { with_type(type, [&](auto to) { convert<decltype(from), decltype(to)>(raw(), target, size()); }); });
  return result;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.size() != size()) throw Error("reshape: {} has {} elements, {} would have {}", shape_, size(), shape, shape.size());
  Tensor result = *this;
  result.shape_ = shape;
  return result;
}

const float* Tensor::packed(std::uint64_t layout, std::size_t floats, const std::function<void(float*)>& pack) const {
  if (!storage_) return nullptr;
  const std::lock_guard lock(storage_->packing);
  for (Storage::Packed& entry : storage_->packed)
    if (entry.layout == layout && entry.floats == floats) {
      auto* memory = reinterpret_cast<float*>(entry.bytes.get());
      if (entry.version != storage_->version) {
        pack(memory);
        entry.version = storage_->version;
      }
      return memory;
    }
  Storage::Packed entry{layout, storage_->version, floats, aligned_bytes(floats * sizeof(float))};
  auto* memory = reinterpret_cast<float*>(entry.bytes.get());
  pack(memory);
  storage_->packed.push_back(std::move(entry));
  return memory;
}

void Tensor::require(DType type) const {
  if (type != type_) throw Error("tensor: the elements are {}, not {}", name(type_), name(type));
}

void Tensor::fill_from(const void* values, std::size_t count) {
  if (count != static_cast<std::size_t>(size())) throw Error("tensor: {} values for shape {}", count, shape_);
  if (count) std::memcpy(mutable_raw(), values, bytes());
}

}  // namespace safer
