#pragma once

#include <cstdint>

/// Counts what the whole program, in all its threads, allocates with operator new (of every form) while the object lives. One at a
/// time: a new counter restarts the peak. Linked into every test program.
class AllocationCounter {
 public:
  /// False where operator new cannot be replaced (clang's thread sanitizer); everything then is counted as 0.
  static const bool works;

  AllocationCounter();
  std::int64_t allocations() const;  // since the construction
  std::int64_t bytes() const;        // held now beyond what was held then; negative when less
  std::int64_t peak_bytes() const;   // the most that was held beyond what was held then

 private:
  std::int64_t allocations_, bytes_;
};
