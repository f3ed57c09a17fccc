#include "models/onnx/window.h"

#include <algorithm>

#include "engine/error.h"

namespace safer::onnx {
namespace {

constexpr std::int64_t largest = std::int64_t{1} << 31;  // of every number here, so that sums and products do not overflow

/// The attribute's numbers, `count` of them, or as many defaults when there is none.
std::vector<std::int64_t> numbers(const NodeImport& node, std::string_view name, std::size_t count, std::int64_t without,
                                  std::int64_t least) {
  std::vector<std::int64_t> given = node.attributes().integers(name);
  if (given.empty()) given.assign(count, without);
  if (given.size() != count) throw Error("attribute '{}' has {} numbers, expected {}", name, given.size(), count);
  for (const std::int64_t number : given)
    if (number < least || number > largest) throw Error("attribute '{}' holds {}, expected {} to {}", name, number, least, largest);
  return given;
}

}  // namespace

Pair Window::pair(std::int64_t WindowAttributes::*member) const {
  return {axes.size() < 2 ? (WindowAttributes{}.*member) : axes[axes.size() - 2].*member, axes.back().*member};
}

Padding Window::padding() const {
  const WindowAttributes rows = axes.size() < 2 ? WindowAttributes{} : axes[axes.size() - 2];
  return {rows.before, axes.back().before, rows.after, axes.back().after};
}

Window window_of(const NodeImport& node, const Shape& x, const std::vector<std::int64_t>& taps) {
  const std::size_t count = taps.size();
  if (count == 0 || static_cast<int>(count) + 2 != x.rank()) throw Error("a window of {} axes for the input {}", count, x);
  const auto strides = numbers(node, "strides", count, 1, 1), dilations = numbers(node, "dilations", count, 1, 1);
  const auto pads = numbers(node, "pads", 2 * count, 0, 0);
  const std::string padding = node.attributes().text("auto_pad", "NOTSET");
  const bool upper = padding == "SAME_UPPER", same = upper || padding == "SAME_LOWER";
  if (!same && padding != "NOTSET" && padding != "VALID") throw Error("attribute 'auto_pad' is '{}'", padding);
  Window window;
  for (std::size_t i = 0; i < count; ++i) {
    if (taps[i] < 1 || taps[i] > largest) throw Error("a window of {} taps, expected 1 to {}", taps[i], largest);
    WindowAttributes axis{taps[i], strides[i], dilations[i]};
    if (same) {
      const std::int64_t in = x[static_cast<int>(i) + 2], out = (in + axis.stride - 1) / axis.stride;
      const std::int64_t all = std::max<std::int64_t>(0, (out - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1 - in);
      axis.before = upper ? all / 2 : all - all / 2;
      axis.after = all - axis.before;
    } else if (padding == "NOTSET") {
      axis.before = pads[i];
      axis.after = pads[count + i];
    }
    window.axes.push_back(axis);
  }
  return window;
}

}  // namespace safer::onnx
