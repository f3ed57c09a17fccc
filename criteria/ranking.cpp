#include "criteria/ranking.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace safer {

int Ranking::failures() const { return static_cast<int>(std::ranges::count(failed, true)); }

std::vector<std::vector<int>> Ranking::ties() const {
  std::vector<std::vector<int>> by_rank(size() + 1);
  for (std::size_t i = 0; i < size(); ++i)
    if (tied[i]) by_rank[static_cast<std::size_t>(rank[i])].push_back(static_cast<int>(i));
  std::erase_if(by_rank, [](const std::vector<int>& group) { return group.empty(); });
  return by_rank;
}

Ranking rank(std::span<const double> scores) {
  const std::size_t n = scores.size();
  Ranking ranking{std::vector<int>(n), std::vector<bool>(n), std::vector<bool>(n)};
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < n; ++i) {
    ranking.failed[i] = !std::isfinite(scores[i]);
    if (!ranking.failed[i]) order.push_back(i);
  }
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && scores[order[end]] == scores[order[begin]]) ++end;
    for (std::size_t place = begin; place < end; ++place) {
      ranking.rank[order[place]] = static_cast<int>(begin) + 1;
      ranking.tied[order[place]] = end - begin > 1;
    }
  }
  for (std::size_t i = 0; i < n; ++i)
    if (ranking.failed[i]) ranking.rank[i] = static_cast<int>(order.size()) + 1;
  return ranking;
}

}  // namespace safer
