#include <algorithm>

#include "engine/parallel.h"
#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

/// f(offset in x, offset in y) for every place of one output channel of one sample at which tap (s, t) meets input channel c.
template <class F>
void each_meeting(const Conv& conv, std::int64_t sample, std::int64_t o, std::int64_t c, std::int64_t s, std::int64_t t,
                  const F& f) {
  const WindowAxis &rows = conv.rows, &columns = conv.columns;
  const std::int64_t group = o / (conv.out_channels / conv.groups), channel = group * (conv.in_channels / conv.groups) + c;
  for (std::int64_t i = 0; i < rows.out; ++i) {
    const std::int64_t row = i * rows.stride - rows.before + s * rows.dilation;
    if (row < 0 || row >= rows.in) continue;
    for (std::int64_t j = 0; j < columns.out; ++j) {
      const std::int64_t column = j * columns.stride - columns.before + t * columns.dilation;
      if (column < 0 || column >= columns.in) continue;
      f(((sample * conv.in_channels + channel) * rows.in + row) * columns.in + column,
        ((sample * conv.out_channels + o) * rows.out + i) * columns.out + j);
    }
  }
}

/// f(offset in w, c, s, t) for the weights of output channel o.
template <class F>
void each_weight(const Conv& conv, std::int64_t o, const F& f) {
  const std::int64_t depth = conv.in_channels / conv.groups;
  for (std::int64_t c = 0; c < depth; ++c)
    for (std::int64_t s = 0; s < conv.rows.taps; ++s)
      for (std::int64_t t = 0; t < conv.columns.taps; ++t)
        f(((o * depth + c) * conv.rows.taps + s) * conv.columns.taps + t, c, s, t);
}

std::int64_t outputs(const Conv& conv) { return conv.rows.out * conv.columns.out; }
std::int64_t weights(const Conv& conv) { return conv.in_channels / conv.groups * conv.rows.taps * conv.columns.taps; }

}  // namespace

void conv2d(const Conv& conv, T* y, const T* x, const T* w, const T*, const Epilogue<T>& epilogue) {
  const std::int64_t planes = conv.samples * conv.out_channels, pixels = outputs(conv);
  parallel_for(planes, planes * pixels * weights(conv), [&](std::int64_t plane) {
    const std::int64_t sample = plane / conv.out_channels, o = plane % conv.out_channels;
    std::fill_n(y + plane * pixels, pixels, epilogue.bias ? epilogue.bias[o] : 0);
    each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
      each_meeting(conv, sample, o, c, s, t, [&](std::int64_t from, std::int64_t to) { y[to] += w[at] * x[from]; });
    });
    finish(y + plane * pixels, epilogue.residual ? epilogue.residual + plane * pixels : nullptr, pixels, epilogue);
  });
}

std::int64_t packed_conv2d_size(const Conv&) { return 0; }

void pack_conv2d(const Conv&, T*, const T*) {}

void conv2d_input_gradient(const Conv& conv, T* dx, const T* dy, const T* w, bool accumulate) {
  const std::int64_t size = conv.in_channels * conv.rows.in * conv.columns.in;
  parallel_for(conv.samples, conv.samples * conv.out_channels * outputs(conv) * weights(conv), [&](std::int64_t sample) {
    if (!accumulate) std::fill_n(dx + sample * size, size, 0);
    for (std::int64_t o = 0; o < conv.out_channels; ++o)
      each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
        each_meeting(conv, sample, o, c, s, t, [&](std::int64_t to, std::int64_t from) { dx[to] += w[at] * dy[from]; });
      });
  });
}

void conv2d_weight_gradient(const Conv& conv, T* dw, const T* dy, const T* x, Channels channels, bool accumulate) {
  const std::int64_t count = channels.end - channels.begin;
  parallel_for(count, conv.samples * count * outputs(conv) * weights(conv), [&](std::int64_t channel) {
    const std::int64_t o = channels.begin + channel;
    each_weight(conv, o, [&](std::int64_t at, std::int64_t c, std::int64_t s, std::int64_t t) {
      T sum = 0;
      for (std::int64_t sample = 0; sample < conv.samples; ++sample)
        each_meeting(conv, sample, o, c, s, t, [&](std::int64_t in, std::int64_t out) { sum += x[in] * dy[out]; });
      put(dw[at - channels.begin * weights(conv)], sum, accumulate);
    });
  });
}

}  // namespace safer::kernels::reference
