#pragma once

#include <cmath>

#include "engine/kernels/generic/reduce.h"

// Batch norm: statistics and sums channel by channel, the rest plane by plane.
namespace safer::kernels {
namespace {

/// Number, mean and sum of squared distances from the mean of the elements seen so far.
struct Spread {
  double count = 0, mean = 0, squares = 0;

  /// Chan, Golub & LeVeque 1983, eq. 2.1
  void add(const Spread& more) {
    const double all = count + more.count, distance = more.mean - mean;
    mean += distance * more.count / all;
    squares += more.squares + distance * distance * count * more.count / all;
    count = all;
  }
};

/// Of n > 0 elements, few enough to stay in the cache between the two passes. Distances are taken from a mean that is a little
/// off, as the sum was rounded; their own sum says by how much.
inline Spread spread(const T* x, std::int64_t n) {
  const T near = total(sum_of(n, [x](std::int64_t j, auto at) { return at.load(x + j); })) / T(n);
  const auto distance = [=](std::int64_t j, auto at) { return at.only(at.load(x + j) - Batch(near)); };
  const double off = double(total(sum_of(n, distance))), count = double(n);
  const double squares = double(total(sum_of(n, [&](std::int64_t j, auto at) {
    const Batch d = distance(j, at);
    return d * d;
  })));
  return {count, double(near) + off / count, std::max(0.0, squares - off * off / count)};
}

inline std::int64_t images_work(const Images& images) { return images.samples * images.channels * images.places; }

inline void batch_moments(const Images& images, T* mean, T* variance, const T* x) {
  constexpr std::int64_t block = 1 << 12;
  parallel_for(images.channels, images_work(images) / 2, [&](std::int64_t c) {
    Spread all;
    for (std::int64_t sample = 0; sample < images.samples; ++sample) {
      const T* const plane = x + sample * images.step + c * images.places;
      for (std::int64_t i = 0; i < images.places; i += block) all.add(spread(plane + i, std::min(block, images.places - i)));
    }
    mean[c] = T(all.mean);
    variance[c] = T(all.squares / all.count);
  });
}

inline T inverse_deviation(const BatchNorm<T>& norm, std::int64_t c) { return 1 / std::sqrt(norm.variance[c] + norm.epsilon); }

/// f(channel, offset) for each plane of each sample.
template <class F>
inline void each_plane(const Images& images, const F& f) {
  parallel_for(images.samples * images.channels, images_work(images) / 2, [&](std::int64_t plane) {
    const std::int64_t sample = plane / images.channels, c = plane % images.channels;
    f(c, sample * images.step + c * images.places);
  });
}

inline void batch_norm(const Images& images, T* y, const T* x, const BatchNorm<T>& norm) {
  each_plane(images, [&](std::int64_t c, std::int64_t plane) {
    const Batch mean(norm.mean[c]), shift(norm.beta ? norm.beta[c] : 0);
    const Batch factor((norm.gamma ? norm.gamma[c] : 1) * inverse_deviation(norm, c));
    each(plane, plane + images.places,
         [=](std::int64_t i, auto at) { at.store(y + i, mul_add(factor, at.load(x + i) - mean, shift)); });
  });
}

inline void batch_norm_sums(const Images& images, T* dgamma, T* dbeta, const T* dy, const T* x, const BatchNorm<T>& norm,
                            bool accumulate) {
  const auto add_up = [&](std::int64_t c, const auto& term) {
    double all = 0;
    for (std::int64_t sample = 0; sample < images.samples; ++sample)
      for (std::int64_t i = 0; i < images.places; i += sum_block) {
        const std::int64_t first = sample * images.step + c * images.places + i;
        all += double(
            total(sum_of(std::min(sum_block, images.places - i), [&](std::int64_t j, auto at) { return term(first + j, at); })));
      }
    return all;
  };
  parallel_for(images.channels, images_work(images) / 2, [&](std::int64_t c) {
    const auto set = [=](T& to, double sum) { to = accumulate ? to + T(sum) : T(sum); };
    if (dbeta) set(dbeta[c], add_up(c, [=](std::int64_t i, auto at) { return at.load(dy + i); }));
    if (!dgamma) return;
    const Batch mean(norm.mean[c]);
    const double sum = add_up(c, [=](std::int64_t i, auto at) { return at.load(dy + i) * (at.load(x + i) - mean); });
    set(dgamma[c], sum * double(inverse_deviation(norm, c)));
  });
}

inline void batch_norm_gradient(const Images& images, T* dx, const T* dy, const T* x, const T* sum, const T* slope,
                                const BatchNorm<T>& norm, bool accumulate) {
  const T n = T(images.samples * images.places);
  each_plane(images, [&](std::int64_t c, std::int64_t plane) {
    const T inverse = inverse_deviation(norm, c);
    const Batch factor((norm.gamma ? norm.gamma[c] : 1) * inverse);
    if (!sum) {
      each(plane, plane + images.places, [=](std::int64_t i, auto at) { put(at, dx + i, factor * at.load(dy + i), accumulate); });
      return;
    }
    const Batch mean(norm.mean[c]), level(sum[c] / n), tilt(slope[c] / n * inverse);
    each(plane, plane + images.places, [=](std::int64_t i, auto at) {
      const Batch moved = mul_add(tilt, at.load(x + i) - mean, level);
      put(at, dx + i, factor * (at.load(dy + i) - moved), accumulate);
    });
  });
}

}  // namespace
}  // namespace safer::kernels
