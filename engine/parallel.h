#pragma once

#include <algorithm>
#include <cstdint>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace safer {

/// Number of threads that a parallel loop started here would use: 1 inside a parallel region, so that replicas that run side
/// by side each compute sequentially.
inline int available_threads() {
#ifdef _OPENMP
  return omp_in_parallel() ? 1 : omp_get_max_threads();
#else
  return 1;
#endif
}

/// Sets the number of threads of all later parallel loops of the calling thread. Results do not depend on it.
inline void set_threads([[maybe_unused]] int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
}

/// f(i) for i in 0..count-1, in parallel when `work` (about the number of elementary operations of the whole loop) is worth
/// waking other threads. f must not throw, and what it writes for i must not depend on other i.
template <class F>
void parallel_for(std::int64_t count, std::int64_t work, const F& f) {
  constexpr std::int64_t worth_it = 1 << 17;
  if (count > 1 && work >= worth_it && available_threads() > 1) {
#ifdef _OPENMP
#pragma omp parallel for schedule(static)
#endif
    for (std::int64_t i = 0; i < count; ++i) f(i);
  } else {
    for (std::int64_t i = 0; i < count; ++i) f(i);
  }
}

/// f(first, count) for consecutive blocks of the items 0..items-1, in parallel when there is enough work; `cost`: about the number
/// of elementary operations of one item. The blocks depend on items and cost alone, never on the number of threads.
template <class F>
void parallel_blocks(std::int64_t items, std::int64_t cost, const F& f) {
  constexpr std::int64_t block_work = 1 << 15;
  const std::int64_t block = std::max<std::int64_t>(1, block_work / std::max<std::int64_t>(1, cost));
  parallel_for((items + block - 1) / block, items * cost,
               [&](std::int64_t i) { f(i * block, std::min(block, items - i * block)); });
}

}  // namespace safer
