#include <cmath>

#include "engine/parallel.h"
#include "engine/reference/reference.h"

namespace safer::kernels::reference {
namespace {

/// f(offset) for the elements of one channel, sample by sample.
template <class F>
void each_element(const Images& images, std::int64_t channel, const F& f) {
  for (std::int64_t sample = 0; sample < images.samples; ++sample)
    for (std::int64_t place = 0; place < images.places; ++place) f(sample * images.step + channel * images.places + place);
}

template <class F>
void each_channel(const Images& images, const F& f) {
  parallel_for(images.channels, images.samples * images.channels * images.places, f);
}

T inverse_deviation(const BatchNorm<T>& norm, std::int64_t channel) { return 1 / std::sqrt(norm.variance[channel] + norm.epsilon); }
T scale(const BatchNorm<T>& norm, std::int64_t channel) {
  return (norm.gamma ? norm.gamma[channel] : 1) * inverse_deviation(norm, channel);
}

}  // namespace

void batch_moments(const Images& images, T* mean, T* variance, const T* x) {
  const T n = T(images.samples * images.places);
  each_channel(images, [&](std::int64_t c) {
    T sum = 0, squares = 0;
    each_element(images, c, [&](std::int64_t at) { sum += x[at]; });
    mean[c] = sum / n;
    each_element(images, c, [&](std::int64_t at) { squares += (x[at] - mean[c]) * (x[at] - mean[c]); });
    variance[c] = squares / n;
  });
}

void batch_norm(const Images& images, T* y, const T* x, const BatchNorm<T>& norm) {
  each_channel(images, [&](std::int64_t c) {
    const T factor = scale(norm, c), shift = norm.beta ? norm.beta[c] : 0;
    each_element(images, c, [&](std::int64_t at) { y[at] = factor * (x[at] - norm.mean[c]) + shift; });
  });
}

void batch_norm_sums(const Images& images, T* dgamma, T* dbeta, const T* dy, const T* x, const BatchNorm<T>& norm,
                     bool accumulate) {
  each_channel(images, [&](std::int64_t c) {
    T sum = 0, slope = 0;
    each_element(images, c, [&](std::int64_t at) { sum += dy[at]; });
    if (dbeta) put(dbeta[c], sum, accumulate);
    if (!dgamma) return;
    each_element(images, c, [&](std::int64_t at) { slope += dy[at] * (x[at] - norm.mean[c]); });
    put(dgamma[c], slope * inverse_deviation(norm, c), accumulate);
  });
}

void batch_norm_gradient(const Images& images, T* dx, const T* dy, const T* x, const T* sum, const T* slope,
                         const BatchNorm<T>& norm, bool accumulate) {
  const T n = T(images.samples * images.places);
  each_channel(images, [&](std::int64_t c) {
    const T factor = scale(norm, c), inverse = inverse_deviation(norm, c);
    each_element(images, c, [&](std::int64_t at) {
      const T moved = sum ? (sum[c] + (x[at] - norm.mean[c]) * inverse * slope[c]) / n : 0;
      put(dx[at], factor * (dy[at] - moved), accumulate);
    });
  });
}

}  // namespace safer::kernels::reference
