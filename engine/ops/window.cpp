#include "engine/ops/window.h"

#include "engine/error.h"

namespace safer {

std::int64_t window_outputs(std::string_view op, std::string_view axis, std::int64_t in, std::int64_t taps, std::int64_t stride,
                            std::int64_t dilation, std::int64_t before, std::int64_t after, bool partial) {
  constexpr std::int64_t most = std::int64_t{1} << 40;  // keeps the arithmetic below from overflowing
  const auto fits = [](std::int64_t value, std::int64_t least) { return value >= least && value < most; };
  if (!fits(taps, 1) || !fits(stride, 1) || !fits(dilation, 1) || taps > most / dilation)
    throw Error("{}: {} taps, stride {}, dilation {} along the {}; expected 1 or more each", op, taps, stride, dilation, axis);
  if (!fits(before, 0) || !fits(after, 0))
    throw Error("{}: padding of {} before and {} after the {}; expected 0 or more", op, before, after, axis);
  const std::int64_t padded = in + before + after, reach = dilation * (taps - 1) + 1;
  if (padded < reach)
    throw Error("{}: a window of {} {} does not fit into {} with padding {} + {}", op, reach, axis, in, before, after);
  const std::int64_t whole = (padded - reach) / stride + 1;
  const bool one_more = partial && (padded - reach) % stride != 0 && whole * stride < in + before;
  return one_more ? whole + 1 : whole;
}

std::string text(Pair pair) {
  return pair.rows == pair.columns ? fmt::format("{}", pair.rows) : fmt::format("{}x{}", pair.rows, pair.columns);
}

std::string text(const Padding& padding) {
  const auto& [top, left, bottom, right] = padding;
  if (top == left && top == bottom && top == right) return fmt::format("{}", top);
  return fmt::format("top {} left {} bottom {} right {}", top, left, bottom, right);
}

}  // namespace safer
