#include <doctest/doctest.h>
#include <fmt/format.h>

#include <initializer_list>
#include <string>

#include "engine/reference/reference.h"
#include "tests/engine/kernels/kernel_checks.h"

namespace safer::kernels {
namespace {

/// |error| <= relative |f(x)| + absolute max(1, |x|), in units of eps, over what rounding f(x) itself to float costs. `relative`
/// counts the roundings on the way; erf and tanh are within 7 of the last place; x times something that cancels (1 + erf, x + 3)
/// is only right relative to x.
struct Bound {
  double relative, absolute;
};

Bound value_bound(Unary f) {
  switch (f) {
    case Unary::relu:
    case Unary::relu6: return {0, 0};
    case Unary::leaky_relu:
    case Unary::square:
    case Unary::sqrt: return {1, 0};
    case Unary::exp: return {1, 0};
    case Unary::log: return {2, 0};
    case Unary::sigmoid: return {3, 0};
    case Unary::silu:
    case Unary::softplus: return {4, 0};
    case Unary::mish: return {6, 0};
    case Unary::tanh:
    case Unary::erf: return {7, 0};
    case Unary::hard_swish: return {3, 1};
    case Unary::gelu:
    case Unary::gelu_tanh: return {3, 4};
  }
  return {0, 0};
}

/// As above; slopes that are 1 - y^2 or 1 + x (...) cancel.
Bound slope_bound(Unary f) {
  switch (f) {
    case Unary::relu:
    case Unary::relu6:
    case Unary::leaky_relu:
    case Unary::exp:
    case Unary::log:
    case Unary::square: return {1, 0};
    case Unary::sqrt:
    case Unary::erf: return {6, 0};
    case Unary::sigmoid:
    case Unary::softplus: return {3, 0};
    case Unary::tanh: return {2, 1};
    case Unary::hard_swish: return {2, 2};
    case Unary::silu:
    case Unary::mish: return {6, 4};
    case Unary::gelu:
    case Unary::gelu_tanh: return {6, 12};
  }
  return {0, 0};
}

double tolerance(Bound bound, double value, double x) {
  const double size = std::isfinite(x) ? std::max(1.0, std::abs(x)) : 1, smallest = std::numeric_limits<float>::denorm_min();
  return eps * ((bound.relative + 0.5) * std::abs(value) + bound.absolute * size) + smallest * size;
}

constexpr float alpha = 0.1f;

/// Inputs of every size: random, and for one size the special ones.
template <class F>
void each_input(const F& f) {
  for (const std::int64_t n : sizes()) f(random_floats(n, std::uint64_t(n), 6));
  f(random_floats(1000, 1, 0.1f));
  f(random_floats(1000, 2, 30));
  f(special_floats());
}

void check_unary_value(const KernelTable<float>& table, Unary f, const Floats& x) {
  const std::string what = fmt::format("unary {}", unary_names[int(f)]), again = fmt::format("{} in place", what);
  Doubles want(x.size());
  reference_table.unary[int(f)](want.data(), widened(x).data(), x.size(), double(alpha));
  Floats y(x.size()), in_place = x;
  table.unary[int(f)](y.data(), x.data(), x.size(), alpha);
  table.unary[int(f)](in_place.data(), in_place.data(), x.size(), alpha);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    check_close(y[i], want[i], tolerance(value_bound(f), want[i], x[i]), what, i);
    check_close(in_place[i], y[i], 0, again, i);
  }
  CHECK(y.intact());
}

void check_unary_slope(const KernelTable<float>& table, Unary f, const Floats& x) {
  const std::string what = fmt::format("unary_gradient {}", unary_names[int(f)]);
  const std::int64_t n = x.size();
  const Floats dy = random_floats(n, 3, 2), before = random_floats(n, 4);
  Floats y(n);
  for (std::int64_t i = 0; i < n; ++i) {
    double yi, xi = x[i];
    reference_table.unary[int(f)](&yi, &xi, 1, double(alpha));
    y[i] = float(yi);
  }
  Doubles slope(n, 0);
  const Doubles wide_dy = widened(dy), wide_x = widened(x), wide_y = widened(y), ones(n, 1);
  const int u = int(f);
  reference_table.unary_gradient[u](slope.data(), ones.data(), wide_x.data(), wide_y.data(), n, double(alpha), false);
  for (const bool accumulate : {false, true}) {
    Floats dx = before;
    Doubles want = widened(before);
    reference_table.unary_gradient[u](want.data(), wide_dy.data(), wide_x.data(), wide_y.data(), n, double(alpha), accumulate);
    table.unary_gradient[u](dx.data(), dy.data(), reads_x[u] ? x.data() : nullptr, reads_y[u] ? y.data() : nullptr, n, alpha,
                            accumulate);
    for (std::int64_t i = 0; i < n; ++i) {
      const double by_slope = tolerance(slope_bound(f), slope[i], x[i]) * std::abs(dy[i]);
      check_close(dx[i], want[i], by_slope + 2 * eps * (std::abs(want[i]) + std::abs(before[i])), what, i);
    }
    CHECK(dx.intact());
  }
}

void check_binary_of(const KernelTable<float>& table, Binary f, std::int64_t n, std::int64_t a_step, std::int64_t b_step,
                     float factor, bool accumulate) {
  const std::string what = fmt::format("binary {}", binary_names[int(f)]);
  const Floats a = random_floats(a_step ? n : 1, 5, 3), before = random_floats(n, 7);
  Floats b = random_floats(b_step ? n : 1, 6, 3), y = before;
  if (n > 2 && b_step) b[0] = 0, b[1] = nan, b[2] = infinity;
  Doubles want = widened(before);
  reference_table.binary[int(f)](want.data(), widened(a).data(), a_step, widened(b).data(), b_step, n, double(factor), accumulate);
  table.binary[int(f)](y.data(), a.data(), a_step, b.data(), b_step, n, factor, accumulate);
  for (std::int64_t i = 0; i < n; ++i) {
    const double rounded = std::abs(want[i]) + (accumulate ? std::abs(before[i]) : 0);
    check_close(y[i], want[i], 2 * eps * rounded, what, i);
  }
  CHECK(y.intact());
}

/// Every pair of special numbers: the nearest float to the true result.
void check_binary_extremes(const KernelTable<float>& table, Binary f) {
  const Floats a = special_floats();
  const Doubles wide = widened(a);
  for (std::int64_t j = 0; j < a.size(); ++j) {
    Floats y(a.size());
    Doubles want(a.size());
    reference_table.binary[int(f)](want.data(), wide.data(), 1, wide.data() + j, 0, a.size(), 1, false);
    table.binary[int(f)](y.data(), a.data(), 1, a.data() + j, 0, a.size(), 1, false);
    const std::string what = fmt::format("binary {} with {}", binary_names[int(f)], a[j]);
    for (std::int64_t i = 0; i < a.size(); ++i) check_close(y[i], want[i], eps / 2 * std::abs(want[i]) + 1e-45, what, i);
  }
}

}  // namespace

void check_unary(const KernelTable<float>& table) {
  for (int f = 0; f < unary_count; ++f) each_input([&](const Floats& x) { check_unary_value(table, Unary(f), x); });
}

void check_unary_gradient(const KernelTable<float>& table) {
  for (int f = 0; f < unary_count; ++f) each_input([&](const Floats& x) { check_unary_slope(table, Unary(f), x); });
}

void check_binary(const KernelTable<float>& table) {
  for (int f = 0; f < binary_count; ++f) check_binary_extremes(table, Binary(f));
  for (int f = 0; f < binary_count; ++f)
    for (const std::int64_t n : sizes())
      for (const std::int64_t a_step : {0, 1})
        for (const std::int64_t b_step : {0, 1}) {
          check_binary_of(table, Binary(f), n, a_step, b_step, 1, false);
          check_binary_of(table, Binary(f), n, a_step, b_step, -0.7f, true);
        }
}

void check_axpy(const KernelTable<float>& table) {
  for (const std::int64_t n : sizes())
    for (const bool accumulate : {false, true}) {
      const Floats x = random_floats(n, 8), before = random_floats(n, 9);
      Floats y = before;
      Doubles want = widened(before);
      reference_table.axpy(want.data(), double(alpha), widened(x).data(), n, accumulate);
      table.axpy(y.data(), alpha, x.data(), n, accumulate);
      for (std::int64_t i = 0; i < n; ++i) check_close(y[i], want[i], 2 * eps, "axpy", i);
      CHECK(y.intact());
    }
}

/// Of numbers close to the middle between two of the grid, either may come out.
bool may_round_both_ways(double x, const Grid<double>& grid) {
  const double number = x / grid.step;
  return std::abs(std::abs(number - std::floor(number)) - 0.5) <= eps * std::abs(number);
}

void check_fake_quantize(const KernelTable<float>& table) {
  for (const Grid<float> grid : {Grid<float>{0.25f, -8, 7}, Grid<float>{0.1f, -128, 127}, Grid<float>{3, 0, 1 << 20}}) {
    const Grid<double> wide{grid.step, grid.low, grid.high};
    each_input([&](const Floats& x) {
      Floats y(x.size());
      Doubles want(x.size());
      reference_table.fake_quantize(want.data(), widened(x).data(), x.size(), wide);
      table.fake_quantize(y.data(), x.data(), x.size(), grid);
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double other = may_round_both_ways(x[i], wide) ? wide.step : 0;
        check_close(y[i], want[i], eps * std::abs(want[i]) + other, "fake_quantize", i);
      }
      CHECK(y.intact());
    });
  }
}

void check_fake_quantize_gradient(const KernelTable<float>& table) {
  const Grid<float> grid{0.1f, -7, 100};
  const Grid<double> wide{grid.step, grid.low, grid.high};
  each_input([&](const Floats& x) {
    const Floats dy = random_floats(x.size(), 15), before = random_floats(x.size(), 16);
    for (const bool accumulate : {false, true}) {
      Floats dx = before;
      Doubles want = widened(before);
      reference_table.fake_quantize_gradient(want.data(), widened(dy).data(), widened(x).data(), x.size(), wide, accumulate);
      table.fake_quantize_gradient(dx.data(), dy.data(), x.data(), x.size(), grid, accumulate);
      for (std::int64_t i = 0; i < x.size(); ++i) {
        const double other = may_round_both_ways(x[i], wide) ? std::abs(dy[i]) : 0;
        check_close(dx[i], want[i], eps * (std::abs(want[i]) + 1) + other, "fake_quantize_gradient", i);
      }
      CHECK(dx.intact());
    }
  });
}

void check_fold(const KernelTable<float>& table) {
  for (int f = 0; f < fold_count; ++f)
    for (const std::int64_t n : sizes()) {
      Floats g = random_floats(n, 10, 100);
      if (n > 1) g[1] = nan;
      Guarded<double> acc(n, 0.1);
      Doubles want(n, 0.1);
      table.fold[f](acc.data(), g.data(), n);
      reference_table.fold[f](want.data(), widened(g).data(), n);
      for (std::int64_t i = 0; i < n; ++i) {  // double arithmetic in the same order: the same bits
        if (acc[i] == want[i] || (std::isnan(acc[i]) && std::isnan(g[i]))) continue;
        CAPTURE(fold_names[f]);
        CAPTURE(i);
        CHECK(acc[i] == want[i]);
      }
      CHECK(acc.intact());
    }
}

void check_adam(const KernelTable<float>& table) {
  const AdamStep<float> step{.rate = 0.02f, .root = 3, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f};
  const AdamStep<double> wide{step.rate, step.root, step.beta1, step.beta2, step.epsilon};
  for (const std::int64_t n : sizes()) {
    Floats w = random_floats(n, 11), m = random_floats(n, 12), v = random_floats(n, 13), g = random_floats(n, 14, 5);
    for (float& vi : v) vi = std::abs(vi);
    if (n > 0) m[0] = v[0] = g[0] = 0;
    Doubles want_w = widened(w), want_m = widened(m), want_v = widened(v);
    reference_table.adam(want_w.data(), want_m.data(), want_v.data(), widened(g).data(), n, wide);
    table.adam(w.data(), m.data(), v.data(), g.data(), n, step);
    for (std::int64_t i = 0; i < n; ++i) {
      const double m_error = 2 * eps * (1 + std::abs(g[i])), v_error = 2 * eps * (1 + double(g[i]) * g[i]);
      check_close(m[i], want_m[i], m_error, "adam m", i);
      check_close(v[i], want_v[i], v_error, "adam v", i);
      const double moved = std::abs(want_w[i]) + 1, size = std::sqrt(want_v[i]) * step.root + 1e-8;
      const double ratio = step.rate * std::abs(want_m[i]) / size;
      check_close(w[i], want_w[i], eps * moved + 4 * eps * ratio + step.rate * m_error / size + ratio * v_error / want_v[i],
                  "adam w", i);
    }
    CHECK((w.intact() && m.intact() && v.intact()));
  }
}

}  // namespace safer::kernels
