#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace safer::kernels {
namespace {

/// Memory of one thread for the copies that a kernel makes: grown when a larger one is wanted, never given back, so that a kernel
/// that runs again with the same sizes does not allocate.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { release(); }

  /// Uninitialised, from the start of a cache line; the last call's are lost.
  float* floats(std::int64_t count) { return static_cast<float*>(bytes(count * std::int64_t(sizeof(float)))); }
  std::int64_t* integers(std::int64_t count) {
    return static_cast<std::int64_t*>(bytes(count * std::int64_t(sizeof(std::int64_t))));
  }

 private:
  static constexpr std::align_val_t line{64};
  void* bytes(std::int64_t count) {
    if (count > size_) {
      release();
      data_ = nullptr, size_ = 0;
      data_ = ::operator new(static_cast<std::size_t>(count), line);
      size_ = count;
    }
    return data_;
  }
  void release() { ::operator delete(data_, line); }

  void* data_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace
}  // namespace safer::kernels
