#include <doctest/doctest.h>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

// Softmax and layer normalisation.
namespace safer::kernels {
namespace {

std::vector<Axes> shapes() {
  std::vector<Axes> all;
  for (const std::int64_t outer : {0, 1, 3, 8, 9, 35})
    for (const std::int64_t n : {1, 2, 3, 5, 8, 10, 16, 17, 33, 100})
      for (const std::int64_t inner : {1, 2, 9, 16, 21}) all.push_back({outer, n, inner});
  all.insert(all.end(), {{2, 3000, 1}, {300, 197, 1}, {2, 0, 3}, {2, 5, 0}});
  return all;
}

std::int64_t elements(Axes axes) { return axes.outer * axes.n * axes.inner; }

/// Rows of ordinary numbers, then some with an infinity, a NaN or very large ones.
Floats logits(Axes axes) {
  Floats x = random_floats(elements(axes), 30, 8);
  const float odd[] = {-infinity, 1e30f, nan, infinity, -200};
  for (std::int64_t i = 0, k = 11; k < x.size(); ++i, k += 97) x[k] = odd[i % 5];
  return x;
}

}  // namespace

void check_softmax(const KernelTable<float>& table) {
  for (const Axes axes : shapes()) {
    const Floats x = logits(axes);
    Floats y(x.size());
    Doubles want(x.size());
    reference_table.softmax(want.data(), widened(x).data(), axes);
    table.softmax(y.data(), x.data(), axes);
    // exp(x - max): x - max is rounded, which exp turns into a relative error of eps |x - max|, and below 104 nothing is left
    for (std::int64_t i = 0; i < x.size(); ++i)
      check_close(y[i], want[i], eps * (104 + double(axes.n) / 16 + 8) * want[i] / 2 + 1e-44, "softmax", i);
    CHECK(y.intact());
  }
}

void check_log_softmax(const KernelTable<float>& table) {
  for (const Axes axes : shapes()) {
    const Floats x = logits(axes);
    Floats y(x.size());
    Doubles want(x.size());
    reference_table.log_softmax(want.data(), widened(x).data(), axes);
    table.log_softmax(y.data(), x.data(), axes);
    for (std::int64_t i = 0; i < x.size(); ++i)
      check_close(y[i], want[i], eps * (std::abs(want[i]) + double(axes.n) / 16 + 16), "log_softmax", i);
    CHECK(y.intact());
  }
}

void check_softmax_gradient(const KernelTable<float>& table) {
  for (const Axes axes : shapes())
    for (const bool accumulate : {false, true}) {
      const Floats x = random_floats(elements(axes), 31, 3), dy = random_floats(elements(axes), 32),
                   before = random_floats(x.size(), 33);
      Floats y(x.size()), dx = before;
      table.softmax(y.data(), x.data(), axes);
      Doubles want = widened(before);
      reference_table.softmax_gradient(want.data(), widened(dy).data(), widened(y).data(), axes, accumulate);
      table.softmax_gradient(dx.data(), dy.data(), y.data(), axes, accumulate);
      for (std::int64_t i = 0; i < x.size(); ++i)  // |dy| < 1 and the y of a row sum to 1, so that the sum is below 1
        check_close(dx[i], want[i], eps * ((double(axes.n) / 16 + 8) * y[i] + 2), "softmax_gradient", i);
      CHECK(dx.intact());
    }
}

void check_log_softmax_gradient(const KernelTable<float>& table) {
  for (const Axes axes : shapes())
    for (const bool accumulate : {false, true}) {
      const Floats x = random_floats(elements(axes), 34, 3), dy = random_floats(elements(axes), 35),
                   before = random_floats(x.size(), 36);
      Floats y(x.size()), dx = before;
      table.log_softmax(y.data(), x.data(), axes);
      Doubles want = widened(before);
      reference_table.log_softmax_gradient(want.data(), widened(dy).data(), widened(y).data(), axes, accumulate);
      table.log_softmax_gradient(dx.data(), dy.data(), y.data(), axes, accumulate);
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double magnitudes = std::exp(double(y[i])) * double(axes.n);  // exp(y) times a sum of n terms below 1
        check_close(dx[i], want[i], eps * ((double(axes.n) / 16 + 8) * magnitudes + 4), "log_softmax_gradient", i);
      }
      CHECK(dx.intact());
    }
}

namespace {

struct LayerNormCase {
  std::int64_t rows, n;
  bool scaled;  // gamma and beta given
  float offset;
};

std::vector<LayerNormCase> layer_norm_cases() {
  std::vector<LayerNormCase> all;
  for (const std::int64_t rows : {0, 1, 2, 37})
    for (const std::int64_t n : {1, 2, 3, 7, 8, 9, 16, 31, 64, 129})
      for (const bool scaled : {false, true}) all.push_back({rows, n, scaled, 0});
  all.insert(all.end(), {{3, 768, true, 0}, {300, 200, true, 0}, {1000, 5, false, 0}, {5, 96, true, 50}});
  return all;
}

constexpr float epsilon = 1e-3f;  // n = 1: a variance of 0

/// Moving all x by `offset` costs that many times eps before the mean is taken away; deviations are about 0.6.
double layer_norm_error(const LayerNormCase& c) {
  return eps * (double(c.n) / 16 + 16) * (1 + 2 * c.offset) / (c.n < 4 ? 0.03 : 0.3);
}

struct LayerNormData {
  explicit LayerNormData(const LayerNormCase& c)
      : x(random_floats(c.rows * c.n, 40)),
        dy(random_floats(c.rows * c.n, 41)),
        gamma(random_floats(c.n, 42, 2)),
        beta(random_floats(c.n, 43)) {
    for (float& v : x) v += c.offset;
  }
  Floats x, dy, gamma, beta;
};

}  // namespace

void check_layer_norm(const KernelTable<float>& table) {
  for (const LayerNormCase& c : layer_norm_cases()) {
    const LayerNormData d(c);
    Floats y(d.x.size());
    Doubles want(y.size()), x = widened(d.x), gamma = widened(d.gamma), beta = widened(d.beta);
    reference_table.layer_norm(want.data(), x.data(), c.scaled ? gamma.data() : nullptr, c.scaled ? beta.data() : nullptr, c.rows,
                               c.n, double(epsilon));
    table.layer_norm(y.data(), d.x.data(), c.scaled ? d.gamma.data() : nullptr, c.scaled ? d.beta.data() : nullptr, c.rows, c.n,
                     epsilon);
    for (std::int64_t i = 0; i < y.size(); ++i) check_close(y[i], want[i], 2 * layer_norm_error(c), "layer_norm", i);
    CHECK(y.intact());
  }
  const float with_nan[] = {1, nan, 3, 4};
  float y[4];
  table.layer_norm(y, with_nan, nullptr, nullptr, 1, 4, epsilon);
  for (const float v : y) CHECK(std::isnan(v));
}

void check_layer_norm_gradient(const KernelTable<float>& table) {
  for (const LayerNormCase& c : layer_norm_cases())
    for (const bool accumulate : {false, true}) {
      const LayerNormData d(c);
      Floats dx(d.x.size(), 0.25f);
      Doubles want(dx.size(), 0.25), x = widened(d.x), dy = widened(d.dy), gamma = widened(d.gamma);
      reference_table.layer_norm_gradient(want.data(), dy.data(), x.data(), c.scaled ? gamma.data() : nullptr, c.rows, c.n,
                                          double(epsilon), accumulate);
      table.layer_norm_gradient(dx.data(), d.dy.data(), d.x.data(), c.scaled ? d.gamma.data() : nullptr, c.rows, c.n, epsilon,
                                accumulate);
      const double steepest = 1 / std::sqrt(epsilon);  // 1 / deviation
      for (std::int64_t i = 0; i < dx.size(); ++i)
        check_close(dx[i], want[i], layer_norm_error(c) * (c.n < 4 ? 4 * steepest : 8), "layer_norm_gradient", i);
      CHECK(dx.intact());
    }
}

void check_layer_norm_shared_gradient(const KernelTable<float>& table) {
  for (const LayerNormCase& c : layer_norm_cases())
    for (const bool accumulate : {false, true}) {
      const LayerNormData d(c);
      Floats dgamma(c.n, 0.25f), dbeta(c.n, -0.5f), alone(c.n, 0.25f);
      Doubles want_gamma(c.n, 0.25), want_beta(c.n, -0.5), x = widened(d.x), dy = widened(d.dy);
      reference_table.layer_norm_shared_gradient(want_gamma.data(), want_beta.data(), dy.data(), x.data(), c.rows, c.n,
                                                 double(epsilon), accumulate);
      table.layer_norm_shared_gradient(dgamma.data(), dbeta.data(), d.dy.data(), d.x.data(), c.rows, c.n, epsilon, accumulate);
      table.layer_norm_shared_gradient(alone.data(), nullptr, d.dy.data(), d.x.data(), c.rows, c.n, epsilon, accumulate);
      table.layer_norm_shared_gradient(nullptr, nullptr, d.dy.data(), d.x.data(), c.rows, c.n, epsilon, accumulate);
      for (std::int64_t i = 0; i < c.n; ++i) {
        check_close(dgamma[i], want_gamma[i], layer_norm_error(c) * double(c.rows + 1), "layer_norm_shared_gradient gamma", i);
        check_close(dbeta[i], want_beta[i], eps * 130 * double(c.rows + 1), "layer_norm_shared_gradient beta", i);
        check_close(alone[i], dgamma[i], 0, "layer_norm_shared_gradient gamma alone", i);
      }
      CHECK((dgamma.intact() && dbeta.intact()));
    }
}

}  // namespace safer::kernels
