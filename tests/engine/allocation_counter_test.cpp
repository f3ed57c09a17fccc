#include "tests/allocation_counter.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "engine/aligned.h"

namespace {

struct alignas(128) Wide {
  char bytes[128];
};

/// Allocates and frees one object through the function pointers' volatile detour, which no optimiser removes.
template <class Allocate, class Free>
void check_counted(Allocate allocate, Free free, std::int64_t least) {
  const AllocationCounter counter;
  void* volatile memory = allocate();
  CHECK(memory != nullptr);
  CHECK(counter.allocations() == 1);
  CHECK(counter.bytes() >= least);
  CHECK(counter.bytes() < least + 200);
  free(memory);
  CHECK(counter.bytes() == 0);
  CHECK(counter.peak_bytes() >= least);
}

}  // namespace

TEST_CASE("allocation counter: every form of new and delete" * doctest::skip(!AllocationCounter::works)) {
  constexpr std::align_val_t align{128};
  using std::nothrow;
  check_counted([] { return ::operator new(1000); }, [](void* p) { ::operator delete(p); }, 1000);
  check_counted([] { return ::operator new[](1000); }, [](void* p) { ::operator delete[](p); }, 1000);
  check_counted([] { return ::operator new(1000, nothrow); }, [](void* p) { ::operator delete(p, nothrow); }, 1000);
  check_counted([] { return ::operator new[](1000, nothrow); }, [](void* p) { ::operator delete[](p, nothrow); }, 1000);
  check_counted([] { return ::operator new(1000, align); }, [](void* p) { ::operator delete(p, align); }, 1000);
  check_counted([] { return ::operator new[](1000, align); }, [](void* p) { ::operator delete[](p, align); }, 1000);
  check_counted([] { return ::operator new(1000, align, nothrow); }, [](void* p) { ::operator delete(p, align, nothrow); }, 1000);
  check_counted([] { return ::operator new[](1000, align, nothrow); }, [](void* p) { ::operator delete[](p, align, nothrow); },
                1000);
  check_counted([]() -> void* { return new Wide; }, [](void* p) { delete static_cast<Wide*>(p); }, 128);
  check_counted([]() -> void* { return safer::aligned_bytes(1000).release(); },
                [](void* p) { safer::AlignedDelete{}(static_cast<std::byte*>(p)); }, 1000);
}

TEST_CASE("allocation counter: alignment is kept") {
  for (const std::size_t align : {1u, 8u, 64u, 4096u}) {
    void* const memory = ::operator new (3, std::align_val_t{align});
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % align == 0);
    ::operator delete (memory, std::align_val_t{align});
  }
}

TEST_CASE("allocation counter: the peak is that of the counter's life" * doctest::skip(!AllocationCounter::works)) {
  // No vectors: a compiler may put those into one allocation or none.
  safer::AlignedBytes before = safer::aligned_bytes(1'000'000);
  const AllocationCounter counter;
  CHECK(counter.peak_bytes() == 0);
  safer::aligned_bytes(50'000).reset();
  before.reset();
  const safer::AlignedBytes after = safer::aligned_bytes(10'000);
  CHECK(counter.bytes() < -900'000);
  CHECK(counter.peak_bytes() >= 50'000);
  CHECK(counter.peak_bytes() < 60'000);
  CHECK(counter.allocations() == 2);
  const AllocationCounter next;
  CHECK(next.peak_bytes() == 0);
}

TEST_CASE("allocation counter: counts all threads" * doctest::skip(!AllocationCounter::works)) {
  const AllocationCounter counter;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([] {
      for (int i = 0; i < 1000; ++i) {
        void* volatile memory = ::operator new(100);
        ::operator delete(memory);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(counter.allocations() >= 4000);
  CHECK(counter.allocations() < 4100);
  threads.clear();
  CHECK(counter.bytes() < 10'000);
}
