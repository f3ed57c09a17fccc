#include <doctest/doctest.h>

#include <array>
#include <functional>

#include "engine/parallel.h"
#include "tests/engine/kernels/kernel_checks.h"

// Bits that must not change: with the number of threads, with copies of B made beforehand, with the company that a row keeps.
namespace safer::kernels {
namespace {

template <class F>
void each_isa(const F& f) {
  for (const Isa& isa : isas())
    if (isa.runs_here()) {
      CAPTURE(isa.table->name);
      f(*isa.table);
    }
}

std::vector<float> copied(const Floats& v) { return {v.data(), v.data() + v.size()}; }

struct Product {
  std::int64_t m, n, k;
  bool a_by_columns, b_by_columns;
};

Floats multiply(const KernelTable<float>& table, const Product& p, bool packed = false) {
  const Floats a = random_floats(p.m * p.k, 70), b = random_floats(p.k * p.n, 71), bias = random_floats(p.n, 72);
  Floats c = random_floats(p.m * p.n, 73);
  Gemm<float> gemm{p.m,
                   p.n,
                   p.k,
                   a.data(),
                   p.a_by_columns ? 1 : p.k,
                   p.a_by_columns ? p.m : 1,
                   b.data(),
                   p.b_by_columns ? 1 : p.n,
                   p.b_by_columns ? p.k : 1,
                   c.data(),
                   p.n};
  gemm.epilogue.bias = bias.data();
  gemm.accumulate = true;
  Floats copy(packed ? table.packed_b_size(p.k, p.n) : 0);
  if (packed) {
    table.pack_b(copy.data(), gemm);
    gemm.packed_b = copy.data();
  }
  table.gemm(gemm);
  return c;
}

constexpr Product products[] = {{300, 200, 300, false, false}, {300, 200, 300, true, true}, {300, 200, 300, false, true},
                                {2400, 60, 70, true, false},   {500, 9, 1000, false, true}, {7, 3000, 200, false, false}};

/// Convolutions beyond one task in every direction: several bands, several images at once, strides, groups.
constexpr WindowAxis axis(std::int64_t in, std::int64_t taps, std::int64_t stride, std::int64_t before) {
  return {in, (in + 2 * before - taps) / stride + 1, taps, stride, 1, before};
}
constexpr Conv convolutions[] = {{3, 1, 20, 150, axis(40, 3, 1, 1), axis(40, 3, 1, 1)},
                                 {9, 1, 70, 40, axis(7, 3, 1, 1), axis(7, 3, 1, 1)},
                                 {5, 1, 33, 30, axis(28, 1, 1, 0), axis(28, 1, 1, 0)},
                                 {4, 1, 3, 24, axis(45, 7, 2, 3), axis(45, 7, 2, 3)},
                                 {3, 2, 40, 60, axis(23, 3, 2, 1), axis(300, 3, 1, 1)}};

std::int64_t image(const Conv& c) { return c.in_channels * c.rows.in * c.columns.in; }
std::int64_t result(const Conv& c) { return c.out_channels * c.rows.out * c.columns.out; }
std::int64_t row_size(const Conv& c) { return c.in_channels / c.groups * c.rows.taps * c.columns.taps; }

/// What a convolution reads, of all its images.
struct ConvInputs {
  explicit ConvInputs(const Conv& c)
      : x(random_floats(c.samples * image(c), 74)),
        w(random_floats(c.out_channels * row_size(c), 75)),
        dy(random_floats(c.samples * result(c), 76)) {}
  Floats x, w, dy;
};

Floats forward(const KernelTable<float>& table, const Conv& c, const ConvInputs& images, std::int64_t first = 0,
               bool packed = false) {
  Floats y(c.samples * result(c), nan), copy(packed ? table.packed_conv2d_size(c) : 0, nan);
  if (packed) table.pack_conv2d(c, copy.data(), images.w.data());
  table.conv2d(c, y.data(), images.x.data() + first * image(c), images.w.data(), packed ? copy.data() : nullptr, {});
  return y;
}
Floats input_gradient(const KernelTable<float>& table, const Conv& c, const ConvInputs& images, std::int64_t first = 0) {
  Floats dx(c.samples * image(c), nan);
  table.conv2d_input_gradient(c, dx.data(), images.dy.data() + first * result(c), images.w.data(), false);
  return dx;
}
Floats weight_gradient(const KernelTable<float>& table, const Conv& c, const ConvInputs& images, Channels channels) {
  Floats dw((channels.end - channels.begin) * row_size(c), nan);
  table.conv2d_weight_gradient(c, dw.data(), images.dy.data(), images.x.data(), channels, false);
  return dw;
}

/// One call of every kernel that may use several threads, large enough that it does; returns what it wrote.
using Call = std::function<Floats(const KernelTable<float>&)>;

std::vector<Call> calls() {
  std::vector<Call> all;
  for (const Product& p : products) all.emplace_back([p](const KernelTable<float>& table) { return multiply(table, p); });
  for (const Conv& c : convolutions) {
    all.emplace_back([c](const KernelTable<float>& table) { return forward(table, c, ConvInputs(c)); });
    all.emplace_back([c](const KernelTable<float>& table) { return input_gradient(table, c, ConvInputs(c)); });
    all.emplace_back([c](const KernelTable<float>& table) {
      return weight_gradient(table, c, ConvInputs(c), {0, c.out_channels});
    });
  }
  constexpr std::int64_t n = 600000;
  constexpr Axes rows{600, 1000, 1}, columns{1, 3000, 200}, images{60, 5, 2000};
  static const Floats x_values = random_floats(n, 80), y_values = random_floats(n, 81), before = random_floats(n, 82);
  const auto into = [&](auto f) {
    all.emplace_back([f](const KernelTable<float>& table) {
      Floats to = before;
      f(table, to.data(), x_values.data(), y_values.data());
      return to;
    });
  };
  into([](auto& t, float* to, const float* x, const float*) { t.unary[int(Unary::gelu)](to, x, n, 0); });
  into([](auto& t, float* to, const float* x, const float* y) {
    t.unary_gradient[int(Unary::gelu)](to, y, x, nullptr, n, 0, true);
  });
  into([](auto& t, float* to, const float* x, const float* y) { t.binary[int(Binary::mul)](to, x, 1, y, 1, n, 2, true); });
  into([](auto& t, float* to, const float* x, const float*) { t.axpy(to, 3, x, n, true); });
  into([](auto& t, float* to, const float* x, const float*) { to[0] = t.sum(x, n); });
  into([](auto& t, float* to, const float* x, const float* y) { to[0] = t.dot(x, y, n); });
  into([](auto& t, float* to, const float* x, const float* y) { t.masked_dots(to, x, y, x, n); });
  for (const Axes axes : {rows, columns, images}) {
    into([=](auto& t, float* to, const float* x, const float*) { t.reduce_sum(to, x, axes, 0.5f, true); });
    into([=](auto& t, float* to, const float* x, const float*) { t.reduce_max(to, x, axes); });
    into([=](auto& t, float* to, const float* x, const float*) { t.softmax(to, x, axes); });
    into([=](auto& t, float* to, const float* x, const float*) { t.log_softmax(to, x, axes); });
    into([=](auto& t, float* to, const float* x, const float* y) { t.softmax_gradient(to, x, y, axes, true); });
    into([=](auto& t, float* to, const float* x, const float* y) { t.log_softmax_gradient(to, x, y, axes, true); });
  }
  into([](auto& t, float* to, const float* x, const float* y) { t.layer_norm(to, x, y, y + 5, 1000, 600, 1e-5f); });
  into([](auto& t, float* to, const float* x, const float* y) { t.layer_norm_gradient(to, x, y, x, 1000, 600, 1e-5f, true); });
  into([](auto& t, float* to, const float* x, const float* y) {
    t.layer_norm_shared_gradient(to, to + 600, x, y, 1000, 600, 1e-5f, true);
  });
  static constexpr Attention long_sequences{
      .sequences = 2, .heads = 3, .queries = 300, .keys = 400, .d = 16, .e = 24, .scale = 0.25};
  into([](auto& t, float* to, const float* x, const float* y) { t.attention(long_sequences, to, x, y, y + 50000); });
  into([](auto& t, float* to, const float* x, const float* y) {
    const AttentionGradient<float> gradient{
        .dy = x + 100000, .y = y, .q = x, .k = y + 50000, .v = y + 100000, .dq = to, .dk = to + 50000, .dv = to + 100000};
    t.attention_gradient(long_sequences, gradient);
  });
  into([](auto& t, float* to, const float* x, const float*) {
    AdamStep<float> step{0.01f, 1.5f, 0.9f, 0.999f, 1e-8f};
    Floats m = before, v(n, 0.5f);
    t.adam(to, m.data(), v.data(), x, n, step);
  });
  into([](auto& t, float* to, const float* x, const float*) {
    Doubles acc(n, 0.3);
    t.fold[int(Fold::square)](acc.data(), x, n);
    std::copy_n(acc.data(), n, to);
  });
  return all;
}

}  // namespace

TEST_CASE("results are equal to the bit for 1, 2 and 4 threads") {
  const int before = available_threads();
  each_isa([](const KernelTable<float>& table) {
    int which = 0;
    for (const Call& call : calls()) {
      CAPTURE(which++);
      set_threads(1);
      const std::vector<float> one = copied(call(table));
      for (const int threads : {2, 4}) {
        set_threads(threads);
        CHECK(copied(call(table)) == one);
      }
    }
  });
  set_threads(before);
}

TEST_CASE("gemm gives the same bits whether B was packed beforehand or not") {
  each_isa([](const KernelTable<float>& table) {
    for (const Product& p : products) CHECK(copied(multiply(table, p, true)) == copied(multiply(table, p)));
    for (const std::int64_t k : {1, 2, 64, 65})
      CHECK(copied(multiply(table, {32, 37, k, false, true}, true)) == copied(multiply(table, {32, 37, k, false, true})));
  });
}

TEST_CASE("a row of a product has the same bits alone as in a batch") {
  each_isa([](const KernelTable<float>& table) {
    constexpr std::int64_t m = 150, n = 130, k = 600;
    const Floats a = random_floats(m * k, 90), b = random_floats(k * n, 91);
    Floats whole(m * n), row(n);
    table.gemm({m, n, k, a.data(), k, 1, b.data(), n, 1, whole.data(), n});
    for (const std::int64_t i : {0, 77, 149}) {
      table.gemm({1, n, k, a.data() + i * k, k, 1, b.data(), n, 1, row.data(), n});
      CHECK(copied(row) == std::vector<float>(whole.data() + i * n, whole.data() + (i + 1) * n));
    }
  });
}

TEST_CASE("an image has the same bits alone as in a batch, and whether weights were packed beforehand or not") {
  each_isa([](const KernelTable<float>& table) {
    for (const Conv& batch : convolutions) {
      const ConvInputs images(batch);
      const Floats y = forward(table, batch, images), dx = input_gradient(table, batch, images);
      CHECK(copied(forward(table, batch, images, 0, true)) == copied(y));
      Conv one = batch;
      one.samples = 1;
      for (std::int64_t i = 0; i < batch.samples; ++i) {
        const float *of_y = y.data() + i * result(one), *of_dx = dx.data() + i * image(one);
        CHECK(copied(forward(table, one, images, i)) == std::vector<float>(of_y, of_y + result(one)));
        CHECK(copied(input_gradient(table, one, images, i)) == std::vector<float>(of_dx, of_dx + image(one)));
      }
    }
  });
}

TEST_CASE("a row of a weight gradient has the same bits alone as with the others") {
  each_isa([](const KernelTable<float>& table) {
    for (const Conv& c : convolutions) {
      const ConvInputs images(c);
      const Floats whole = weight_gradient(table, c, images, {0, c.out_channels});
      for (const std::int64_t o : {std::int64_t{0}, c.out_channels / 2, c.out_channels - 1}) {
        const float* row = whole.data() + o * row_size(c);
        CHECK(copied(weight_gradient(table, c, images, {o, o + 1})) == std::vector<float>(row, row + row_size(c)));
      }
    }
  });
}

TEST_CASE("an element has the same bits in the middle of an array as in its tail") {
  each_isa([](const KernelTable<float>& table) {
    const Floats x = random_floats(200, 92, 5), dy = random_floats(200, 93);
    for (int f = 0; f < unary_count; ++f) {
      CAPTURE(unary_names[f]);
      Floats y(200), dx(200);
      table.unary[f](y.data(), x.data(), 200, 0.1f);
      table.unary_gradient[f](dx.data(), dy.data(), x.data(), y.data(), 200, 0.1f, false);
      for (std::int64_t i = 0; i < 200; ++i) {
        float one, slope;
        table.unary[f](&one, x.data() + i, 1, 0.1f);
        table.unary_gradient[f](&slope, dy.data() + i, x.data() + i, y.data() + i, 1, 0.1f, false);
        CHECK((one == y[i] || one != one));
        CHECK((slope == dx[i] || slope != slope));
      }
    }
  });
}

}  // namespace safer::kernels
