#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// What convolutions and pooling share: a window of taps that slides over an image.
namespace safer {

/// How many rows or columns of padding an image gets on each side.
struct Padding {
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
  Padding() = default;
  Padding(std::int64_t all) : top(all), left(all), bottom(all), right(all) {}  // NOLINT: .padding = 1 reads as it should
  Padding(std::int64_t t, std::int64_t l, std::int64_t b, std::int64_t r) : top(t), left(l), bottom(b), right(r) {}
};

/// One number for rows and one for columns.
struct Pair {
  std::int64_t rows = 1, columns = 1;
  Pair() = default;
  Pair(std::int64_t both) : rows(both), columns(both) {}  // NOLINT: .stride = 2 reads as it should
  Pair(std::int64_t r, std::int64_t c) : rows(r), columns(c) {}
  bool operator==(const Pair&) const = default;
};

/// Places of a window along an axis of `in` elements with padding before and after it:
///   floor((in + before + after - dilation (taps - 1) - 1) / stride) + 1
/// or, when `partial` windows count, ceil() of the same as far as windows start on the axis or on the padding before it (PyTorch's
/// and ONNX's ceil mode). Throws Error, naming `op` and `axis` ("rows"), when there is not one, or a number makes no sense.
std::int64_t window_outputs(std::string_view op, std::string_view axis, std::int64_t in, std::int64_t taps, std::int64_t stride,
                            std::int64_t dilation, std::int64_t before, std::int64_t after, bool partial = false);
/// For listings: "2", or "2x1" where rows and columns differ.
std::string text(Pair pair);
/// "1", or "top 0 left 0 bottom 1 right 1" where the sides differ.
std::string text(const Padding& padding);

}  // namespace safer
