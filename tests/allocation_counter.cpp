#include "tests/allocation_counter.h"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

// clang's thread sanitizer brings operators of its own that the linker does not let us replace.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SAFER_NO_REPLACEMENT
#endif
#endif

namespace {

std::atomic<std::int64_t> allocations{0}, current{0}, peak{0};

}  // namespace

AllocationCounter::AllocationCounter() : allocations_(::allocations), bytes_(current) { peak = bytes_; }
std::int64_t AllocationCounter::allocations() const { return ::allocations - allocations_; }
std::int64_t AllocationCounter::bytes() const { return current - bytes_; }
std::int64_t AllocationCounter::peak_bytes() const { return peak - bytes_; }

#ifdef SAFER_NO_REPLACEMENT

const bool AllocationCounter::works = false;

#else

const bool AllocationCounter::works = true;

namespace {

void* count(void* memory) {
  if (!memory) return nullptr;
  ++allocations;
  const auto size = static_cast<std::int64_t>(malloc_usable_size(memory));
  const std::int64_t now = current.fetch_add(size) + size;
  for (std::int64_t highest = peak; highest < now && !peak.compare_exchange_weak(highest, now);) continue;
  return memory;
}

void* allocate(std::size_t size) { return count(std::malloc(std::max<std::size_t>(size, 1))); }

void* allocate(std::size_t size, std::align_val_t align) {
  void* memory = nullptr;
  const auto alignment = std::max(static_cast<std::size_t>(align), sizeof(void*));
  return posix_memalign(&memory, alignment, std::max<std::size_t>(size, 1)) == 0 ? count(memory) : nullptr;
}

void* or_throw(void* memory) {
  if (!memory) throw std::bad_alloc();
  return memory;
}

void release(void* memory) {
  if (memory) current -= static_cast<std::int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

// Every form is replaced: those of the sanitizers' runtime do not call one another.
void* operator new(std::size_t size) { return or_throw(allocate(size)); }
void* operator new[](std::size_t size) { return or_throw(allocate(size)); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t align) { return or_throw(allocate(size, align)); }
void* operator new[](std::size_t size, std::align_val_t align) { return or_throw(allocate(size, align)); }
void* operator new(std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept { return allocate(size, align); }
void* operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t&) noexcept { return allocate(size, align); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { release(memory); }

#endif
