#pragma once

#include "engine/kernels/generic/conv_sizes.h"
#include "engine/kernels/generic/gemm.h"

// Where each window is one pixel, a convolution is a product for each image, y[n] = w x[n], whose columns are the pixels: they lie
// side by side in x and in y, so that nothing is transposed on the way. Small images leave the last panel of columns half empty;
// those are gathered like other convolutions.
namespace safer::kernels {
namespace {

inline bool is_product(const Conv& conv) { return sees_pixels(conv) && out_pixels(conv) >= 4 * panel_columns; }

/// The product of each image and group.
struct PointwiseProducts {
  const Conv& conv;
  Gemm<T> whole;      // of the first image and group, but for n; the others follow it in memory
  const T* row_bias;  // of all groups, or nullptr
  std::int64_t pixels, group_weights;
};

inline void run(const PointwiseProducts& all) {
  constexpr std::int64_t most_columns = 32 * panel_columns;  // of a task, so that threads share a single image too
  const Gemm<T>& g = all.whole;
  const std::int64_t panels = pieces(all.pixels, panel_columns), parts = pieces(all.pixels, most_columns);
  const std::int64_t products = all.conv.samples * all.conv.groups;
  parallel_for(products * parts, products * all.pixels * g.m * g.k / 16, [&](std::int64_t task) {
    const std::int64_t which = task / parts, part = task % parts, group = which % all.conv.groups;
    const std::int64_t first = panels * part / parts * panel_columns;
    const std::int64_t end = std::min(all.pixels, panels * (part + 1) / parts * panel_columns);
    Gemm<T> of = g;
    of.n = end - first;
    of.a += group * all.group_weights;
    of.b += which * g.k * all.pixels + first;
    of.c += which * g.m * all.pixels + first;
    if (of.epilogue.residual) of.epilogue.residual += which * g.m * all.pixels + first;
    product(of, all.row_bias ? all.row_bias + group * g.m : nullptr);
  });
}

inline void pointwise(const Conv& conv, T* y, const T* x, const T* w, Epilogue<T> epilogue) {
  const std::int64_t pixels = out_pixels(conv), inputs = group_inputs(conv), outputs = group_outputs(conv);
  const T* const bias = std::exchange(epilogue.bias, nullptr);
  run({conv,
       {.m = outputs, .k = inputs, .a = w, .a_row = inputs, .b = x, .b_row = pixels, .c = y, .c_row = pixels, .epilogue = epilogue},
       bias,
       pixels,
       outputs * inputs});
}

/// dx[n] = w^T dy[n]
inline void pointwise_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const std::int64_t pixels = in_pixels(conv), inputs = group_inputs(conv), outputs = group_outputs(conv);
  run({conv,
       {.m = inputs,
        .k = outputs,
        .a = w,
        .a_row = 1,
        .a_col = inputs,
        .b = dy,
        .b_row = pixels,
        .c = dx,
        .c_row = pixels,
        .accumulate = accumulate},
       nullptr,
       pixels,
       outputs * inputs});
}

}  // namespace
}  // namespace safer::kernels
