#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

struct Case {
  const char* label;
  Conv conv;
};

/// The axis with as many outputs as fit.
WindowAxis axis(std::int64_t in, std::int64_t taps, std::int64_t stride = 1, std::int64_t before = 0, std::int64_t after = 0,
                std::int64_t dilation = 1) {
  return {in, (in + before + after - dilation * (taps - 1) - 1) / stride + 1, taps, stride, dilation, before};
}

std::vector<Case> cases() {
  std::vector<Case> all = {
      {"3x3", {2, 1, 5, 7, axis(9, 3, 1, 1, 1), axis(11, 3, 1, 1, 1)}},
      {"3x3, no padding", {1, 1, 3, 4, axis(6, 3), axis(19, 3)}},
      {"1x1", {3, 1, 17, 14, axis(5, 1), axis(7, 1)}},
      {"1x1, many pixels", {2, 1, 17, 14, axis(11, 1), axis(13, 1)}},
      {"1x1, many pixels, groups", {2, 2, 6, 10, axis(12, 1), axis(16, 1)}},
      {"1x1, many pixels, deep", {1, 1, 300, 40, axis(16, 1), axis(9, 1)}},
      {"1x1, stride 2", {2, 1, 8, 6, axis(7, 1, 2), axis(8, 1, 2)}},
      {"3x3, stride 2, padding after", {2, 1, 6, 8, axis(12, 3, 2, 0, 1), axis(10, 3, 2, 0, 1)}},
      {"7x7, stride 2", {1, 1, 3, 10, axis(23, 7, 2, 3, 3), axis(20, 7, 2, 3, 3)}},
      {"stride 3, dilation 2", {2, 1, 2, 3, axis(17, 3, 3, 2, 1, 2), axis(16, 2, 2, 1, 0, 3)}},
      {"stride larger than the kernel", {1, 1, 2, 3, axis(9, 2, 4), axis(10, 1, 3)}},
      {"groups", {2, 3, 6, 9, axis(6, 3, 1, 1, 1), axis(5, 3, 1, 1, 1)}},
      {"depthwise", {2, 6, 6, 6, axis(9, 3, 1, 1, 1), axis(40, 3, 1, 1, 1)}},
      {"depthwise, stride 2", {2, 5, 5, 5, axis(10, 3, 2, 0, 1), axis(37, 3, 2, 1, 1)}},
      {"depthwise 5x5, dilation 2", {1, 3, 3, 3, axis(12, 5, 1, 4, 4, 2), axis(21, 5, 1, 4, 4, 2)}},
      {"depthwise, tall", {1, 2, 2, 2, axis(150, 3, 1, 1, 1), axis(33, 3, 1, 1, 1)}},
      {"depthwise, strides differ", {2, 3, 3, 3, axis(9, 3, 1, 1, 1), axis(50, 3, 2, 0, 1)}},
      {"depthwise, stride 2 by 1", {1, 3, 3, 3, axis(9, 3, 2, 1, 1), axis(23, 3, 1, 1, 1)}},
      {"depthwise, stride 3, dilation 2", {1, 4, 4, 4, axis(14, 3, 3, 2, 1, 2), axis(45, 4, 3, 1, 3, 2)}},
      {"depthwise, more padding than the taps reach", {1, 2, 2, 2, axis(6, 3, 1, 4, 3), axis(9, 3, 1, 3, 5)}},
      {"depthwise, the window has more taps than it may keep", {1, 2, 2, 2, axis(20, 17, 1, 8, 8), axis(5, 3, 1, 1, 1)}},
      {"two outputs a channel", {1, 4, 4, 8, axis(7, 3, 1, 1, 1), axis(7, 3, 1, 1, 1)}},
      {"kernel larger than the image", {2, 1, 3, 2, axis(2, 5, 1, 2, 2), axis(3, 5, 1, 2, 2)}},
      {"only padding under some taps", {1, 1, 2, 2, axis(1, 3, 1, 3, 3), axis(2, 3, 1, 4, 3)}},
      {"no samples", {0, 1, 3, 4, axis(6, 3), axis(6, 3)}},
      {"wide", {1, 1, 40, 35, axis(14, 3, 1, 1, 1), axis(30, 3, 1, 1, 1)}},
      {"deep", {1, 1, 130, 20, axis(7, 3, 1, 1, 1), axis(7, 3, 1, 1, 1)}},
  };
  for (std::int64_t columns = 1; columns <= 2 * 32 + 1; ++columns)
    all.push_back({"columns around vectors", {1, 1, 2, 3, axis(2, 3, 1, 1, 1), axis(columns, 3, 1, 1, 1)}});
  for (std::int64_t columns = 2; columns <= 4 * 16 + 1; ++columns)
    for (const std::int64_t stride : {1, 2})
      all.push_back({"depthwise, columns around vectors", {1, 2, 2, 2, axis(6, 3, stride, 1, 1), axis(columns, 3, stride, 1, 1)}});
  for (std::int64_t channels = 1; channels <= 33; ++channels)
    all.push_back({"channels around tiles", {1, 1, channels, 34 - channels, axis(3, 2, 1, 1, 0), axis(5, 3, 1, 1, 1)}});
  return all;
}

std::int64_t in_size(const Conv& c) { return c.samples * c.in_channels * c.rows.in * c.columns.in; }
std::int64_t out_size(const Conv& c) { return c.samples * c.out_channels * c.rows.out * c.columns.out; }
std::int64_t row_size(const Conv& c) { return c.in_channels / c.groups * c.rows.taps * c.columns.taps; }

std::string describe(const Case& c, std::string_view variant) {
  const Conv& v = c.conv;
  return fmt::format("{}: {}x{} -> {} channels, {}x{} by {}x{}, {}", c.label, v.samples, v.in_channels, v.out_channels, v.rows.in,
                     v.columns.in, v.rows.taps, v.columns.taps, variant);
}

/// Whole numbers: their sums are exact in float, so that every element must be equal.
void check_equal(const Floats& got, const Doubles& want, const std::string& what) {
  for (std::int64_t i = 0; i < got.size(); ++i) check_close(got[i], want[i], 0, what, i);
  CHECK(got.intact());
}

}  // namespace

void check_conv2d(const KernelTable<float>& table) {
  for (const Case& c : cases()) {
    const Conv& conv = c.conv;
    const Floats x = random_integers(in_size(conv), 70), w = random_integers(conv.out_channels * row_size(conv), 71);
    const Floats bias = random_integers(conv.out_channels, 72), residual = random_integers(out_size(conv), 73);
    const Doubles wide_x = widened(x), wide_w = widened(w), wide_bias = widened(bias), wide_residual = widened(residual);
    for (const bool packed : {false, true})
      for (int parts = 0; parts < 4; ++parts) {
        Epilogue<float> epilogue;
        Epilogue<double> wide;
        if (parts & 1) epilogue.bias = bias.data(), wide.bias = wide_bias.data();
        if (parts & 2) {
          epilogue.residual = residual.data(), wide.residual = wide_residual.data();
          epilogue.activates = wide.activates = true;
          epilogue.activation = wide.activation = packed ? Unary::relu6 : Unary::relu;
        }
        std::optional<Floats> copy;
        if (packed) {
          const std::int64_t size = table.packed_conv2d_size(conv);
          if (size == 0) continue;
          copy.emplace(size, nan);
          table.pack_conv2d(conv, copy->data(), w.data());
          CHECK(copy->intact());
        }
        Floats y(out_size(conv), nan);
        Doubles want(out_size(conv));
        reference_table.conv2d(conv, want.data(), wide_x.data(), wide_w.data(), nullptr, wide);
        table.conv2d(conv, y.data(), x.data(), packed ? nullptr : w.data(), packed ? copy->data() : nullptr, epilogue);
        check_equal(y, want, describe(c, fmt::format("epilogue {}, packed {}", parts, packed)));
      }
  }
}

// What pack_conv2d writes is checked through conv2d.
void check_packed_conv2d_size(const KernelTable<float>& table) {
  for (const Case& c : cases()) CHECK(table.packed_conv2d_size(c.conv) >= 0);
}
void check_pack_conv2d(const KernelTable<float>& table) {
  for (const Case& c : cases()) {
    const Floats w = random_integers(c.conv.out_channels * row_size(c.conv), 71);
    Floats packed(table.packed_conv2d_size(c.conv), nan);
    table.pack_conv2d(c.conv, packed.data(), w.data());
    CHECK(packed.intact());
    CHECK(std::none_of(packed.begin(), packed.end(), [](float v) { return v != v; }));  // every element is set
  }
}

void check_conv2d_input_gradient(const KernelTable<float>& table) {
  for (const Case& c : cases())
    for (const bool accumulate : {false, true}) {
      const Conv& conv = c.conv;
      const Floats dy = random_integers(out_size(conv), 74), w = random_integers(conv.out_channels * row_size(conv), 75);
      Floats dx = random_integers(in_size(conv), 76);
      Doubles want = widened(dx);
      const Doubles wide_dy = widened(dy), wide_w = widened(w);
      reference_table.conv2d_input_gradient(conv, want.data(), wide_dy.data(), wide_w.data(), accumulate);
      table.conv2d_input_gradient(conv, dx.data(), dy.data(), w.data(), accumulate);
      check_equal(dx, want, describe(c, fmt::format("input gradient, accumulate {}", accumulate)));
    }
}

void check_conv2d_weight_gradient(const KernelTable<float>& table) {
  for (const Case& c : cases())
    for (const bool accumulate : {false, true}) {
      const Conv& conv = c.conv;
      const Channels channels = accumulate ? Channels{conv.out_channels / 3, conv.out_channels} : Channels{0, conv.out_channels};
      const Floats x = random_integers(in_size(conv), 77), dy = random_integers(out_size(conv), 78);
      Floats dw = random_integers((channels.end - channels.begin) * row_size(conv), 79);
      Doubles want = widened(dw);
      const Doubles wide_x = widened(x), wide_dy = widened(dy);
      reference_table.conv2d_weight_gradient(conv, want.data(), wide_dy.data(), wide_x.data(), channels, accumulate);
      table.conv2d_weight_gradient(conv, dw.data(), dy.data(), x.data(), channels, accumulate);
      check_equal(dw, want, describe(c, fmt::format("weight gradient, accumulate {}", accumulate)));
    }
}

}  // namespace safer::kernels
