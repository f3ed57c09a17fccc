#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

struct Case {
  Images images;
  float offset = 0;  // of all x
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (std::int64_t places = 1; places <= 2 * 16 + 1; ++places) all.push_back({{3, 2, places, 2 * places}});
  all.insert(all.end(), {{{1, 3, 40, 120}},
                         {{2, 3, 49, 10 * 49}},  // some channels of many
                         {{1, 1, 1, 1}},
                         {{300, 2, 1, 7}},
                         {{2, 1, 10000, 10000}},
                         {{3, 2, 57, 2 * 57}, 100},
                         {{5, 0, 9, 45}}});
  return all;
}

constexpr float epsilon = 1e-3f;

/// Random numbers of all samples, also of channels beyond those of the case.
Floats elements(const Case& c, std::uint64_t key, float offset = 0) {
  Floats x = random_floats(c.images.samples * c.images.step, key);
  for (float& v : x) v += offset;
  return x;
}

/// Statistics and weights of the channels.
struct Norm {
  explicit Norm(const Case& c, bool weighted)
      : mean(random_floats(c.images.channels, 50)),
        variance(random_floats(c.images.channels, 51)),
        gamma(random_floats(c.images.channels, 52, 2)),
        beta(random_floats(c.images.channels, 53)) {
    for (float& v : mean) v += c.offset;
    for (float& v : variance) v = 0.5f + v * v;
    wide_mean = widened(mean), wide_variance = widened(variance), wide_gamma = widened(gamma), wide_beta = widened(beta);
    narrow = {.mean = mean.data(), .variance = variance.data(), .epsilon = epsilon};
    wide = {.mean = wide_mean.data(), .variance = wide_variance.data(), .epsilon = double(epsilon)};
    if (weighted) narrow.gamma = gamma.data(), wide.gamma = wide_gamma.data();
    if (weighted) narrow.beta = beta.data(), wide.beta = wide_beta.data();
  }
  Norm(const Norm&) = delete;
  Norm& operator=(const Norm&) = delete;

  Floats mean, variance, gamma, beta;
  Doubles wide_mean{0}, wide_variance{0}, wide_gamma{0}, wide_beta{0};
  BatchNorm<float> narrow;
  BatchNorm<double> wide;
};

std::string describe(const Case& c, std::string_view what) {
  const Images& i = c.images;
  return fmt::format("{}: {} samples, {} channels of {} places, offset {}", what, i.samples, i.channels, i.places, c.offset);
}

}  // namespace

void check_batch_moments(const KernelTable<float>& table) {
  for (const Case& c : cases()) {
    const Floats x = elements(c, 54, c.offset);
    Floats mean(c.images.channels, nan), variance(c.images.channels, nan);
    Doubles want_mean(c.images.channels), want_variance(c.images.channels);
    reference_table.batch_moments(c.images, want_mean.data(), want_variance.data(), widened(x).data());
    table.batch_moments(c.images, mean.data(), variance.data(), x.data());
    // Sums are taken of distances from a mean: an offset costs the rounding of the mean itself and no more.
    for (std::int64_t i = 0; i < mean.size(); ++i) {
      check_close(mean[i], want_mean[i], eps * (c.offset + 1), describe(c, "mean"), i);
      check_close(variance[i], want_variance[i], eps * 8, describe(c, "variance"), i);
    }
    CHECK(mean.intact());
    CHECK(variance.intact());
  }
  const float with_nan[] = {1, nan, 3, 4};
  float mean = 0, variance = 0;
  table.batch_moments({1, 1, 4, 4}, &mean, &variance, with_nan);
  CHECK(std::isnan(mean));
  CHECK(std::isnan(variance));
}

void check_batch_norm(const KernelTable<float>& table) {
  for (const Case& c : cases())
    for (const bool weighted : {false, true}) {
      const Floats x = elements(c, 55, c.offset);
      const Norm norm(c, weighted);
      Floats y(x.size(), -7);
      Doubles want(x.size(), -7);
      reference_table.batch_norm(c.images, want.data(), widened(x).data(), norm.wide);
      table.batch_norm(c.images, y.data(), x.data(), norm.narrow);
      const std::string what = describe(c, "batch_norm");
      for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], eps * 16, what, i);
      CHECK(y.intact());
    }
}

void check_batch_norm_sums(const KernelTable<float>& table) {
  for (const Case& c : cases())
    for (const bool accumulate : {false, true}) {
      const Floats x = elements(c, 56, c.offset), dy = elements(c, 57);
      const Norm norm(c, true);
      Floats dgamma(c.images.channels, 0.25f), dbeta(c.images.channels, -0.5f), alone(c.images.channels, -0.5f);
      Doubles want_gamma(dgamma.size(), 0.25), want_beta(dbeta.size(), -0.5);
      reference_table.batch_norm_sums(c.images, want_gamma.data(), want_beta.data(), widened(dy).data(), widened(x).data(),
                                      norm.wide, accumulate);
      table.batch_norm_sums(c.images, dgamma.data(), dbeta.data(), dy.data(), x.data(), norm.narrow, accumulate);
      table.batch_norm_sums(c.images, nullptr, alone.data(), dy.data(), x.data(), norm.narrow, accumulate);
      // Of n terms below 3, summed in runs of about n / 32; a random walk of roundings is far below this.
      const double tolerance = eps * (3 * double(c.images.samples * c.images.places) / 8 + 16);
      for (std::int64_t i = 0; i < dgamma.size(); ++i) {
        check_close(dgamma[i], want_gamma[i], tolerance, describe(c, "dgamma"), i);
        check_close(dbeta[i], want_beta[i], tolerance, describe(c, "dbeta"), i);
        CHECK(alone[i] == dbeta[i]);
      }
      CHECK(dgamma.intact());
      CHECK(dbeta.intact());
    }
}

void check_batch_norm_gradient(const KernelTable<float>& table) {
  for (const Case& c : cases())
    for (const bool accumulate : {false, true})
      for (const bool own_statistics : {false, true}) {
        const Floats x = elements(c, 58, c.offset), dy = elements(c, 59);
        const Norm norm(c, accumulate);
        const Floats sum = random_floats(c.images.channels, 60), slope = random_floats(c.images.channels, 61);
        const Doubles wide_sum = widened(sum), wide_slope = widened(slope);
        Floats dx(x.size(), 0.25f);
        Doubles want(dx.size(), 0.25);
        reference_table.batch_norm_gradient(c.images, want.data(), widened(dy).data(), widened(x).data(),
                                            own_statistics ? wide_sum.data() : nullptr,
                                            own_statistics ? wide_slope.data() : nullptr, norm.wide, accumulate);
        table.batch_norm_gradient(c.images, dx.data(), dy.data(), x.data(), own_statistics ? sum.data() : nullptr,
                                  own_statistics ? slope.data() : nullptr, norm.narrow, accumulate);
        const std::string what = describe(c, "batch_norm_gradient");
        for (std::int64_t i = 0; i < dx.size(); ++i) check_close(dx[i], want[i], eps * 32, what, i);
        CHECK(dx.intact());
      }
}

}  // namespace safer::kernels
