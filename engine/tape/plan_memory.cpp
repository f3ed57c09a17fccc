#include "engine/tape/plan_memory.h"

#include <algorithm>

namespace safer {

std::int64_t place(std::vector<Lifetime>& pieces) {
  std::vector<Lifetime*> order;
  for (Lifetime& piece : pieces)
    if (piece.lines > 0 && piece.last >= piece.first) order.push_back(&piece);
  std::ranges::stable_sort(order, {}, [](const Lifetime* piece) { return piece->first; });

  std::vector<const Lifetime*> alive;  // by offset
  std::int64_t needed = 0;
  for (Lifetime* piece : order) {
    std::erase_if(alive, [&](const Lifetime* other) { return other->last < piece->first; });
    std::int64_t gap = 0;
    auto next = alive.begin();
    while (next != alive.end() && (*next)->at - gap < piece->lines) {
      gap = std::max(gap, (*next)->at + (*next)->lines);
      ++next;
    }
    piece->at = gap;
    alive.insert(next, piece);
    needed = std::max(needed, gap + piece->lines);
  }
  return needed;
}

}  // namespace safer
