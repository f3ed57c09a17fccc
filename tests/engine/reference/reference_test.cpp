#include "engine/reference/reference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "engine/parallel.h"
#include "engine/random.h"

// The reference itself, against closed forms, plain loops and central differences of its own values.
namespace safer::kernels {
namespace {

std::vector<double> random_doubles(std::int64_t n, std::uint64_t key, double scale = 1) {
  std::vector<double> values(static_cast<std::size_t>(n));
  Random random(key);
  for (double& v : values) v = scale * (2 * random.uniform() - 1);
  return values;
}

double unary(Unary f, double x, double alpha = 0.1) {
  double y = 0;
  reference_table.unary[int(f)](&y, &x, 1, alpha);
  return y;
}

double slope(Unary f, double x, double alpha = 0.1) {
  const double one = 1, y = unary(f, x, alpha);
  double dx = 0;
  reference_table.unary_gradient[int(f)](&dx, &one, reads_x[int(f)] ? &x : nullptr, reads_y[int(f)] ? &y : nullptr, 1, alpha,
                                         false);
  return dx;
}

/// What each function is, written another way than in the reference.
double closed_form(Unary f, double x) {
  switch (f) {
    case Unary::relu: return 0.5 * (x + std::abs(x));
    case Unary::relu6: return std::min(std::max(x, 0.0), 6.0);
    case Unary::leaky_relu: return std::max(x, 0.1 * x);
    case Unary::gelu: return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
    case Unary::gelu_tanh: return x / (1 + std::exp(-2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * std::pow(x, 3))));
    case Unary::silu: return x / (1 + std::exp(-x));
    case Unary::hard_swish: return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6;
    case Unary::mish: return x - 2 * x / (std::pow(1 + std::exp(x), 2) + 1);
    case Unary::softplus: return std::log(1 + std::exp(x));
    case Unary::sigmoid: return 0.5 * (1 + std::tanh(0.5 * x));
    case Unary::tanh: return (std::exp(2 * x) - 1) / (std::exp(2 * x) + 1);
    case Unary::exp: return std::pow(std::numbers::e, x);
    case Unary::log: return std::log2(x) / std::log2(std::numbers::e);
    case Unary::erf: return 1 - std::erfc(x);
    case Unary::square: return std::pow(x, 2);
    case Unary::sqrt: return std::pow(x, 0.5);
  }
  return std::nan("");
}

/// Central differences of <f(x), r>: what a gradient kernel must return for dy = r.
template <class F>
std::vector<double> differences(const F& f, std::vector<double> x, const std::vector<double>& r) {
  constexpr double h = 1e-5;
  const auto projected = [&] {
    const std::vector<double> y = f(x);
    double total = 0;
    for (std::size_t i = 0; i < y.size(); ++i) total += y[i] * r[i];
    return total;
  };
  std::vector<double> gradient;
  for (double& xi : x) {
    const double at = xi;
    xi = at + h;
    const double up = projected();
    xi = at - h;
    gradient.push_back((up - projected()) / (2 * h));
    xi = at;
  }
  return gradient;
}

void check_equal(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got[i] - want[i]) <= tolerance);
  }
}

}  // namespace

TEST_CASE("reference: elementwise functions equal their closed forms, and their slopes central differences") {
  constexpr double h = 1e-6;
  for (int i = 0; i < unary_count; ++i) {
    const Unary f = Unary(i);
    CAPTURE(unary_names[i]);
    for (const double at : {-7.3, -4.1, -2.9, -1.4, -0.5, -0.01, 0.02, 0.3, 1.0, 2.2, 3.4, 5.9, 6.5}) {
      const double x = f == Unary::sqrt || f == Unary::log ? std::abs(at) : at;
      CAPTURE(x);
      CHECK(unary(f, x) == doctest::Approx(closed_form(f, x)).epsilon(1e-12));
      // truncation h^2 f''' / 6 and rounding 1e-16 f / h, both relative to values up to a thousand
      CHECK(slope(f, x) == doctest::Approx((unary(f, x + h) - unary(f, x - h)) / (2 * h)).epsilon(1e-6));
    }
  }
}

TEST_CASE("reference: values of the two gelu that PyTorch prints") {
  CHECK(unary(Unary::gelu, 1) == doctest::Approx(0.8413447460685429).epsilon(1e-14));
  CHECK(unary(Unary::gelu_tanh, 1) == doctest::Approx(0.8411919906082768).epsilon(1e-14));
}

TEST_CASE("reference: slopes at kinks") {
  CHECK(slope(Unary::relu, 0) == 0);
  CHECK(slope(Unary::relu6, 0) == 0);
  CHECK(slope(Unary::relu6, 6) == 0);
  CHECK(slope(Unary::leaky_relu, 0) == 0.1);
  CHECK(slope(Unary::hard_swish, -3) == 0);
  CHECK(slope(Unary::hard_swish, 3) == 1);
}

TEST_CASE("reference: NaN in, NaN out, by value and by slope") {
  for (int f = 0; f < unary_count; ++f) {
    CAPTURE(unary_names[f]);
    CHECK(std::isnan(unary(Unary(f), std::nan(""))));
    const bool step = Unary(f) == Unary::relu || Unary(f) == Unary::relu6 || Unary(f) == Unary::leaky_relu;
    if (!step) CHECK(std::isnan(slope(Unary(f), std::nan(""))));
  }
}

TEST_CASE("reference: binary kernels, steps of 0 and accumulation") {
  const double a[] = {6, 8}, b[] = {2, 4};
  const double want[binary_count][2] = {{8, 12}, {4, 4}, {12, 32}, {3, 2}},
               by_first[binary_count][2] = {{8, 10}, {4, 6}, {12, 16}, {3, 4}};
  for (int f = 0; f < binary_count; ++f) {
    double y[2] = {1, 1}, z[2] = {5, 5};
    reference_table.binary[f](y, a, 1, b, 1, 2, 10, true);
    reference_table.binary[f](z, a, 1, b, 0, 2, 1, false);
    for (int i = 0; i < 2; ++i) {
      CHECK(y[i] == 1 + 10 * want[f][i]);
      CHECK(z[i] == by_first[f][i]);
    }
  }
}

TEST_CASE("reference: gemm equals a triple loop for any strides, sizes, bias and accumulation") {
  struct Strides {
    std::int64_t a_row, a_col, b_row, b_col;
  };
  for (const std::int64_t m : {0, 1, 5, 33, 70})
    for (const std::int64_t n : {0, 1, 4, 35})
      for (const std::int64_t k : {0, 1, 3, 40})
        for (const Strides s : {Strides{k + 2, 1, n + 1, 1}, Strides{1, m + 3, 1, k + 1}, Strides{3 * k + 1, 3, 2 * n, 2}})
          for (const bool with : {false, true}) {
            const std::vector<double> a = random_doubles(20000, 1), b = random_doubles(20000, 2), bias = random_doubles(n, 3);
            std::vector<double> c = random_doubles(m * (n + 2), 4), want = c;
            for (std::int64_t i = 0; i < m; ++i)
              for (std::int64_t j = 0; j < n; ++j) {
                double total = with ? bias[std::size_t(j)] + c[std::size_t(i * (n + 2) + j)] : 0;
                for (std::int64_t p = 0; p < k; ++p)
                  total += a[std::size_t(i * s.a_row + p * s.a_col)] * b[std::size_t(p * s.b_row + j * s.b_col)];
                want[std::size_t(i * (n + 2) + j)] = total;
              }
            Gemm<double> gemm{m, n, k, a.data(), s.a_row, s.a_col, b.data(), s.b_row, s.b_col, c.data(), n + 2};
            gemm.epilogue.bias = with ? bias.data() : nullptr;
            gemm.accumulate = with;
            reference_table.gemm(gemm);
            check_equal(c, want, 1e-13);
          }
}

TEST_CASE("reference: gemm has the same bits for any number of threads") {
  const std::vector<double> a = random_doubles(300 * 400, 5), b = random_doubles(400 * 200, 6);
  const auto run = [&](int threads) {
    std::vector<double> c(300 * 200);
    set_threads(threads);
    reference_table.gemm({300, 200, 400, a.data(), 400, 1, b.data(), 200, 1, c.data(), 200});
    return c;
  };
  const int before = available_threads();
  CHECK(run(1) == run(2));
  CHECK(run(1) == run(4));
  set_threads(before);
}

TEST_CASE("reference: sums, products and maxima in closed form") {
  std::vector<double> x(24);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = double(i + 1);
  CHECK(reference_table.sum(x.data(), 24) == 24 * 25 / 2);
  CHECK(reference_table.dot(x.data(), x.data(), 24) == 24 * 25 * 49 / 6);
  CHECK(reference_table.sum(x.data(), 0) == 0);
  std::vector<double> y(6, 100);
  reference_table.reduce_sum(y.data(), x.data(), {2, 4, 3}, 0.5, true);  // x[o, k, i] = 1 + 12 o + 3 k + i
  CHECK(y == std::vector<double>{111, 113, 115, 135, 137, 139});
  reference_table.reduce_max(y.data(), x.data(), {2, 4, 3});
  CHECK(y == std::vector<double>{10, 11, 12, 22, 23, 24});
  x[4] = std::nan("");
  reference_table.reduce_max(y.data(), x.data(), {2, 4, 3});
  CHECK(std::isnan(y[1]));
  CHECK(y[0] == 10);
  reference_table.axpy(y.data(), 2, x.data(), 4, false);
  CHECK(y[3] == 8);
}

TEST_CASE("reference: softmax is positive, sums to 1, keeps differences, and its gradients are central differences") {
  for (const Axes axes : {Axes{2, 5, 1}, Axes{2, 3, 4}}) {
    const std::int64_t size = axes.outer * axes.n * axes.inner;
    const std::vector<double> x = random_doubles(size, 7, 2), r = random_doubles(size, 8);
    const auto softmax = [&](const std::vector<double>& from) {
      std::vector<double> y(from.size());
      reference_table.softmax(y.data(), from.data(), axes);
      return y;
    };
    const auto log_softmax = [&](const std::vector<double>& from) {
      std::vector<double> y(from.size());
      reference_table.log_softmax(y.data(), from.data(), axes);
      return y;
    };
    const std::vector<double> y = softmax(x), z = log_softmax(x);
    std::vector<double> sums(std::size_t(axes.outer * axes.inner)), dx(x.size(), 1), dz(x.size(), 1);
    reference_table.reduce_sum(sums.data(), y.data(), axes, 1, false);
    check_equal(sums, std::vector<double>(sums.size(), 1), 1e-15);
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(z[i] == doctest::Approx(std::log(y[i])).epsilon(1e-14));
    CHECK(std::log(y[0] / y[std::size_t(axes.inner)]) == doctest::Approx(x[0] - x[std::size_t(axes.inner)]).epsilon(1e-14));
    reference_table.softmax_gradient(dx.data(), r.data(), y.data(), axes, false);
    reference_table.log_softmax_gradient(dz.data(), r.data(), z.data(), axes, false);
    check_equal(dx, differences(softmax, x, r), 1e-9);
    check_equal(dz, differences(log_softmax, x, r), 1e-9);
  }
}

TEST_CASE("reference: softmax of a row with a NaN is NaN, and of huge logits is finite") {
  const double x[] = {1, std::nan(""), 2, 1000, 0, -1000};
  double y[6];
  reference_table.softmax(y, x, {2, 3, 1});
  for (int i = 0; i < 3; ++i) CHECK(std::isnan(y[i]));
  CHECK(y[3] == 1);
  CHECK(y[4] == 0);
}

TEST_CASE("reference: layer norm has mean 0 and variance 1, and its gradients are central differences") {
  constexpr std::int64_t rows = 3, n = 6;
  constexpr double epsilon = 1e-5;
  const std::vector<double> x = random_doubles(rows * n, 9, 3), gamma = random_doubles(n, 10), beta = random_doubles(n, 11);
  const std::vector<double> r = random_doubles(rows * n, 12);
  std::vector<double> plain(x.size());
  reference_table.layer_norm(plain.data(), x.data(), nullptr, nullptr, rows, n, 0);
  for (std::int64_t i = 0; i < rows; ++i) {
    CHECK(reference_table.sum(plain.data() + i * n, n) == doctest::Approx(0).epsilon(1e-14));
    CHECK(reference_table.dot(plain.data() + i * n, plain.data() + i * n, n) == doctest::Approx(n).epsilon(1e-14));
  }
  const auto norm = [&](const std::vector<double>& from, const std::vector<double>& g, const std::vector<double>& b) {
    std::vector<double> y(from.size());
    reference_table.layer_norm(y.data(), from.data(), g.data(), b.data(), rows, n, epsilon);
    return y;
  };
  std::vector<double> dx(x.size(), 1), dgamma(n, 1), dbeta(n, 1);
  reference_table.layer_norm_gradient(dx.data(), r.data(), x.data(), gamma.data(), rows, n, epsilon, false);
  reference_table.layer_norm_shared_gradient(dgamma.data(), dbeta.data(), r.data(), x.data(), rows, n, epsilon, false);
  check_equal(dx, differences([&](const auto& v) { return norm(v, gamma, beta); }, x, r), 1e-8);
  check_equal(dgamma, differences([&](const auto& v) { return norm(x, v, beta); }, gamma, r), 1e-8);
  check_equal(dbeta, differences([&](const auto& v) { return norm(x, gamma, v); }, beta, r), 1e-8);
}

TEST_CASE("reference: two steps of Adam by hand") {
  // g = 2 then -1, beta1 = 1/2, beta2 = 3/4: m = 1 then 0, v = 1 then 1; the factors of the corrections are 1
  const AdamStep<double> step{.rate = 0.1, .root = 1, .beta1 = 0.5, .beta2 = 0.75, .epsilon = 1};
  double w = 3, m = 0, v = 0, g = 2;
  reference_table.adam(&w, &m, &v, &g, 1, step);
  CHECK(m == 1);
  CHECK(v == 1);
  CHECK(w == doctest::Approx(3 - 0.1 / 2).epsilon(1e-15));
  g = -1;
  reference_table.adam(&w, &m, &v, &g, 1, step);
  CHECK(m == 0);
  CHECK(v == 1);
  CHECK(w == doctest::Approx(2.95).epsilon(1e-15));
}

TEST_CASE("reference: folds") {
  const double g[] = {-2, 3};
  const double want[fold_count][2] = {{-1, 4}, {3, 4}, {5, 10}};
  for (int f = 0; f < fold_count; ++f) {
    double acc[] = {1, 1};
    reference_table.fold[f](acc, g, 2);
    CHECK(acc[0] == want[f][0]);
    CHECK(acc[1] == want[f][1]);
  }
}

}  // namespace safer::kernels
