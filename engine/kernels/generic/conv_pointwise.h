#pragma once

#include <utility>

#include "engine/kernels/generic/conv_sizes.h"
#include "engine/kernels/generic/gemm.h"

// Where each window is one pixel, a convolution is a product for each image, y[n] = w x[n], whose columns are the pixels: they lie
// side by side in x and in y, so that nothing is transposed on the way. Small images leave the last panel of columns half empty;
// those are gathered like other convolutions.
namespace safer::kernels {
namespace {

inline bool is_product(const Conv& conv) { return sees_pixels(conv) && out_pixels(conv) >= 4 * panel_columns; }

/// The product of each image and group. `whole` is that of the first ones, but for n; the others follow it in memory. row_bias: of
/// all groups, or nullptr.
inline void each_product(const Conv& conv, const Gemm<T>& whole, const T* row_bias) {
  constexpr std::int64_t most_columns = 32 * panel_columns;  // of a task, so that threads share a single image too
  const std::int64_t pixels = whole.b_row, panels = pieces(pixels, panel_columns), parts = pieces(pixels, most_columns);
  const std::int64_t products = conv.samples * conv.groups;
  parallel_for(products * parts, products * pixels * whole.m * whole.k / 16, [&](std::int64_t task) {
    const std::int64_t which = task / parts, part = task % parts, group = which % conv.groups;
    const std::int64_t first = panels * part / parts * panel_columns;
    const std::int64_t end = std::min(pixels, panels * (part + 1) / parts * panel_columns);
    const std::int64_t c = which * whole.m * pixels + first;
    Gemm<T> g = whole;
    g.n = end - first;
    g.a += group * g.m * g.k;
    g.b += which * g.k * pixels + first;
    g.c += c;
    if (g.epilogue.residual) g.epilogue.residual += c;
    product(g, row_bias ? row_bias + group * g.m : nullptr);
  });
}

inline void pointwise(const Conv& conv, T* y, const T* x, const T* w, Epilogue<T> epilogue) {
  const std::int64_t pixels = out_pixels(conv), inputs = group_inputs(conv);
  const T* const bias = std::exchange(epilogue.bias, nullptr);
  each_product(conv,
               {.m = group_outputs(conv),
                .k = inputs,
                .a = w,
                .a_row = inputs,
                .b = x,
                .b_row = pixels,
                .c = y,
                .c_row = pixels,
                .epilogue = epilogue},
               bias);
}

/// dx[n] = w^T dy[n]
inline void pointwise_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const std::int64_t pixels = in_pixels(conv), inputs = group_inputs(conv);
  each_product(conv,
               {.m = inputs,
                .k = group_outputs(conv),
                .a = w,
                .a_row = 1,
                .a_col = inputs,
                .b = dy,
                .b_row = pixels,
                .c = dx,
                .c_row = pixels,
                .accumulate = accumulate},
               nullptr);
}

}  // namespace
}  // namespace safer::kernels
