#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

/// What every instruction set provides, as a table of function pointers. `KernelTable<float>` has one instance an
/// instruction set (engine/kernels), `KernelTable<double>` one plain reference (engine/reference). Ops are written once
/// against the table, so a whole tape runs in float32 or, through the reference, in double.
///
/// Common rules: arrays are dense and row-major unless strides are given, may start anywhere (no alignment is assumed) and do not
/// overlap, except that results of elementwise kernels and of (log_)softmax and its gradient may stand where an input stood (same
/// start). Sizes may be 0. `accumulate` adds to what the result holds instead of replacing it. A value never depends on the number
/// of threads. Nothing here throws.
namespace safer::kernels {

/// y = f(x); `alpha` is the slope of leaky_relu below 0 and unused elsewhere.
enum class Unary {
  relu,
  relu6,
  leaky_relu,
  gelu,
  gelu_tanh,
  silu,
  hard_swish,
  mish,
  softplus,
  sigmoid,
  tanh,
  exp,
  log,
  erf,
  square,
  sqrt
};
constexpr int unary_count = 16;
constexpr std::string_view unary_names[unary_count] = {"relu",       "relu6", "leaky_relu", "gelu",    "gelu_tanh", "silu",
                                                       "hard_swish", "mish",  "softplus",   "sigmoid", "tanh",      "exp",
                                                       "log",        "erf",   "square",     "sqrt"};
/// What the gradient of each function reads: its argument x or its value y = f(x); the other pointer may be nullptr.
constexpr bool reads_x[unary_count] = {false, false, true,  true,  true, true, true, true,
                                       true,  false, false, false, true, true, true, false};
constexpr bool reads_y[unary_count] = {true,  true, false, false, false, false, false, false,
                                       false, true, true,  true,  false, false, false, true};

enum class Binary { add, sub, mul, div };
constexpr int binary_count = 4;
constexpr std::string_view binary_names[binary_count] = {"add", "sub", "mul", "div"};

/// What is added to a double accumulator: g, |g| or g^2.
enum class Fold { sum, magnitude, square };
constexpr int fold_count = 3;
constexpr std::string_view fold_names[fold_count] = {"sum", "magnitude", "square"};

/// What is done to each result before it is stored for good: y = activation(result + bias + residual), each part where it is given.
/// It saves a pass over the result for each.
template <class T>
struct Epilogue {
  const T* bias = nullptr;      // one value a column of a product, an output channel of a convolution
  const T* residual = nullptr;  // laid out like the result; must not overlap it
  bool activates = false;
  Unary activation = Unary::relu;
  T alpha = 0;  // of leaky_relu
};

/// C[m, n] = A[m, k] B[k, n] (+ C), through the epilogue.  A(i, p) = a[i * a_row + p * a_col], B(p, j) = b[p * b_row + j * b_col],
/// any strides, so that transposes need no copy; C(i, j) = c[i * c_row + j]. k = 0 gives what the epilogue makes of 0. With
/// `accumulate` the epilogue may hold a bias only.
template <class T>
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  std::int64_t a_row = 0, a_col = 1;
  const T* b = nullptr;
  std::int64_t b_row = 0, b_col = 1;
  T* c = nullptr;
  std::int64_t c_row = 0;
  Epilogue<T> epilogue = {};
  const T* packed_b = nullptr;  // what pack_b made of the same B; nullptr: read b
  bool accumulate = false;
};

/// One axis of an image under a sliding window: output o sees the inputs o * stride - before + t * dilation for t = 0 .. taps - 1;
/// those outside 0 .. in - 1 are padding.
struct WindowAxis {
  std::int64_t in = 1, out = 1, taps = 1, stride = 1, dilation = 1, before = 0;
};

/// Sizes of a two-dimensional convolution (what deep learning calls so: the kernel is not flipped).
///   x: [samples, in_channels, rows.in, columns.in]     w: [out_channels, in_channels / groups, rows.taps, columns.taps]
///   y: [samples, out_channels, rows.out, columns.out]
/// y[n, o, i, j] = sum over c, s, t of w[o, c, s, t] x[n, g in_channels / groups + c, i stride - before + s dilation, likewise j,
/// t] where g is the group of o: the outputs are split into `groups` runs of equal length, and so are the inputs.
struct Conv {
  std::int64_t samples = 0, groups = 1, in_channels = 1, out_channels = 1;
  WindowAxis rows, columns;
};

/// Channels first .. last - 1 of an output.
struct Channels {
  std::int64_t begin = 0, end = 0;
};

/// Two-dimensional pooling of `planes` images by themselves, x: [planes, rows.in, columns.in], y: [planes, rows.out, columns.out].
/// Every window holds at least one place of its image. An average divides by the number of those or, when it counts the padding, by
/// the number of taps on the image and on its padding, `bottom` and `right` places of which lie behind the image.
struct Pool {
  std::int64_t planes = 0;
  WindowAxis rows, columns;
  bool counts_padding = false;
  std::int64_t bottom = 0, right = 0;
};

/// Channels of images, which need not be all that the images have: place p of channel c of a sample lies at x[sample * step + c *
/// places + p].
struct Images {
  std::int64_t samples = 0, channels = 1, places = 1, step = 1;
};

/// What batch norm does to channel c: y = gamma[c] xhat + beta[c], xhat = (x - mean[c]) / sqrt(variance[c] + epsilon); gamma, beta:
/// nullptr for 1 and 0.
template <class T>
struct BatchNorm {
  const T *mean = nullptr, *variance = nullptr, *gamma = nullptr, *beta = nullptr;
  T epsilon = 0;
};

/// Sizes of multi-head attention, d and e being the widths of one head:
///   q: [sequences, queries, heads d]   k: [sequences, keys, heads d]   v: [sequences, keys, heads e]   y: as q, of v's width
/// Head h has the columns h d .. of q and k, h e .. of v and y. Causal: query i sees the keys 0 .. i.
struct Attention {
  std::int64_t sequences = 0, heads = 1, queries = 0, keys = 0, d = 1, e = 1;
  double scale = 1;
  bool causal = false;
};

/// What the gradient of attention reads and makes. y is read for dq and dk only, and so is v; nullptr: a gradient that is not
/// wanted. dq, dk and dv may be one array when those after the first accumulate.
template <class T>
struct AttentionGradient {
  const T *dy = nullptr, *y = nullptr, *q = nullptr, *k = nullptr, *v = nullptr;
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;
  bool accumulate_q = false, accumulate_k = false, accumulate_v = false;
};

/// The points low, low + 1, ... high times `step` that fake_quantize leaves of the reals; low and high are whole numbers of at most
/// 2^22.
template <class T>
struct Grid {
  T step = 1, low = 0, high = 0;
};

/// One step of Adam (Kingma & Ba 2015, algorithm 1) with the bias corrections folded into two factors:
/// m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  w -= rate * m / (sqrt(v) * root + epsilon)
template <class T>
struct AdamStep {
  T rate;  // learning rate / (1 - b1^t)
  T root;  // 1 / sqrt(1 - b2^t)
  T beta1, beta2, epsilon;
};

/// Reductions and normalisations see an array as [outer, n, inner] and work along n.
struct Axes {
  std::int64_t outer = 1, n = 1, inner = 1;
};

template <class T>
using UnaryKernel = void(T* y, const T* x, std::int64_t n, T alpha);
/// dx (+)= dy f'(x), from x or from y = f(x) as reads_x and reads_y say. Where f has a kink f' is 0 for relu and relu6, alpha for
/// leaky_relu, and for hard_swish 0 at -3 and 1 at 3.
template <class T>
using UnaryGradientKernel = void(T* dx, const T* dy, const T* x, const T* y, std::int64_t n, T alpha, bool accumulate);
/// y[i] (+)= alpha (a[i * a_step] op b[i * b_step]); a step is 0 (one value for all) or 1.
template <class T>
using BinaryKernel = void(T* y, const T* a, std::int64_t a_step, const T* b, std::int64_t b_step, std::int64_t n, T alpha,
                          bool accumulate);
/// acc[i] += fold(g[i])
template <class T>
using FoldKernel = void(double* acc, const T* g, std::int64_t n);

/// X(name, signature): every kernel of the table, once. Table, implementations and tests are generated from this list, so that a
/// kernel without a reference or without a test cannot exist.
///   packed_b_size  number of T that pack_b writes for a B of this k and n; 0: they are read as they lie
///   pack_b         lays B out as gemm reads it
///   conv2d         y = the convolution of x with w, through the epilogue; packed_w: what pack_conv2d made of w, or nullptr
///   packed_conv2d_size  number of T that pack_conv2d writes for these sizes (any number of samples); 0: this table never packs
///   pack_conv2d         lays w out as conv2d reads it
///   conv2d_input_gradient   dx (+)= ...
///   conv2d_weight_gradient  dw[channels] (+)= ..., summed over the samples; dw: the row of the first of these output channels
///   max_pool       y = the largest element of each window, NaN if there is one
///   max_pool_gradient       dx (+)= dy at the first (row by row) of the largest elements, or at the first NaN
///   average_pool, average_pool_gradient
///   batch_moments  mean and (biased) variance of each channel over samples and places, at least one; summed without cancellation
///   batch_norm     y = gamma xhat + beta
///   batch_norm_sums      dbeta (+)= sum of dy over samples and places, dgamma (+)= sum of dy xhat; either may be nullptr
///   batch_norm_gradient  dx (+)= gamma / sqrt(variance + epsilon) (dy - (sum + xhat slope) / (samples places)), where sum and
///   slope
///                        are what batch_norm_sums gave for statistics of this x; nullptr for given ones, then as if 0
///   axpy           y (+)= alpha x
///   fake_quantize  y = the nearest point of the grid; in the middle between two, the one whose number is even. NaN stays NaN
///   fake_quantize_gradient  dx (+)= dy where x / step rounds to a number from low to high, else 0
///   sum, dot       of n elements, summed in a fixed order
///   masked_dots    y[0] = sum of mask x, y[1] = sum of mask w x, in the order of dot
///   reduce_sum     y[outer, inner] (+)= alpha * sum over n of x
///   reduce_max     y[outer, inner] = max over n of x (n > 0); NaN if there is one
///   softmax        y = exp(x - max) / sum;            gradient: dx (+)= y (dy - sum(dy y))
///   log_softmax    y = x - max - log sum exp(x - max); gradient: dx (+)= dy - exp(y) sum(dy)
///   layer_norm     y = gamma (x - mean) / sqrt(variance + epsilon) + beta over rows of n; gamma, beta: [n] or nullptr (1, 0)
///   layer_norm_gradient         dx (+)= ...
///   layer_norm_shared_gradient  dgamma[n] (+)= sum over rows of dy xhat, dbeta[n] (+)= sum over rows of dy; either may be nullptr
///   attention      y = softmax(scale q k^T) v by head; 0 without keys, NaN where all scores of a query are -infinity
///   attention_gradient  dq, dk, dv (+)= ...
#define SAFER_KERNELS(X)                                                                                                  \
  X(gemm, void(const Gemm<T>& gemm))                                                                                      \
  X(packed_b_size, std::int64_t(std::int64_t k, std::int64_t n))                                                          \
  X(pack_b, void(T * packed, const Gemm<T>& gemm))                                                                        \
  X(conv2d, void(const Conv& conv, T* y, const T* x, const T* w, const T* packed_w, const Epilogue<T>& epilogue))         \
  X(packed_conv2d_size, std::int64_t(const Conv& conv))                                                                   \
  X(pack_conv2d, void(const Conv& conv, T* packed, const T* w))                                                           \
  X(conv2d_input_gradient, void(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate))                       \
  X(conv2d_weight_gradient, void(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate))   \
  X(max_pool, void(const Pool& pool, T* y, const T* x))                                                                   \
  X(max_pool_gradient, void(const Pool& pool, T* dx, const T* dy, const T* x, bool accumulate))                           \
  X(average_pool, void(const Pool& pool, T* y, const T* x))                                                               \
  X(average_pool_gradient, void(const Pool& pool, T* dx, const T* dy, bool accumulate))                                   \
  X(batch_moments, void(const Images& images, T* mean, T* variance, const T* x))                                          \
  X(batch_norm, void(const Images& images, T* y, const T* x, const BatchNorm<T>& norm))                                   \
  X(batch_norm_sums,                                                                                                      \
    void(const Images& images, T* dgamma, T* dbeta, const T* dy, const T* x, const BatchNorm<T>& norm, bool accumulate))  \
  X(batch_norm_gradient, void(const Images& images, T* dx, const T* dy, const T* x, const T* sum, const T* slope,         \
                              const BatchNorm<T>& norm, bool accumulate))                                                 \
  X(axpy, void(T * y, T alpha, const T* x, std::int64_t n, bool accumulate))                                              \
  X(fake_quantize, void(T * y, const T* x, std::int64_t n, const Grid<T>& grid))                                          \
  X(fake_quantize_gradient, void(T * dx, const T* dy, const T* x, std::int64_t n, const Grid<T>& grid, bool accumulate))  \
  X(sum, T(const T* x, std::int64_t n))                                                                                   \
  X(dot, T(const T* a, const T* b, std::int64_t n))                                                                       \
  X(masked_dots, void(T * y, const T* mask, const T* w, const T* x, std::int64_t n))                                      \
  X(reduce_sum, void(T * y, const T* x, Axes axes, T alpha, bool accumulate))                                             \
  X(reduce_max, void(T * y, const T* x, Axes axes))                                                                       \
  X(softmax, void(T * y, const T* x, Axes axes))                                                                          \
  X(softmax_gradient, void(T * dx, const T* dy, const T* y, Axes axes, bool accumulate))                                  \
  X(log_softmax, void(T * y, const T* x, Axes axes))                                                                      \
  X(log_softmax_gradient, void(T * dx, const T* dy, const T* y, Axes axes, bool accumulate))                              \
  X(layer_norm, void(T * y, const T* x, const T* gamma, const T* beta, std::int64_t rows, std::int64_t n, T epsilon))     \
  X(layer_norm_gradient,                                                                                                  \
    void(T * dx, const T* dy, const T* x, const T* gamma, std::int64_t rows, std::int64_t n, T epsilon, bool accumulate)) \
  X(layer_norm_shared_gradient,                                                                                           \
    void(T * dgamma, T * dbeta, const T* dy, const T* x, std::int64_t rows, std::int64_t n, T epsilon, bool accumulate))  \
  X(adam, void(T * w, T * m, T * v, const T* g, std::int64_t n, const AdamStep<T>& step))                                 \
  X(attention, void(const Attention& attention, T* y, const T* q, const T* k, const T* v))                                \
  X(attention_gradient, void(const Attention& attention, const AttentionGradient<T>& gradient))

template <class T>
struct KernelTable {
  std::string_view name;  // "avx2", "reference"
#define SAFER_DECLARE(kernel, ...) std::add_pointer_t<__VA_ARGS__> kernel;
  SAFER_KERNELS(SAFER_DECLARE)
#undef SAFER_DECLARE
  UnaryKernel<T>* unary[unary_count];
  UnaryGradientKernel<T>* unary_gradient[unary_count];
  BinaryKernel<T>* binary[binary_count];
  FoldKernel<T>* fold[fold_count];
};

}  // namespace safer::kernels
