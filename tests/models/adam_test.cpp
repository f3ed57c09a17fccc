#include "models/adam.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/error.h"

using namespace safer;

namespace {

std::shared_ptr<ParameterTable> table() {
  auto result = std::make_shared<ParameterTable>();
  result->add({.name = "weight", .shape = {3, 67}});
  result->add({.name = "mean", .shape = {5}, .role = Role::buffer});
  result->add({.name = "bias", .shape = {1}, .role = Role::bias});
  return result;
}

/// A gradient of any numbers: that of sum_i factor_i w_i, swept by hand.
struct Gradient final : Op {
  std::string_view name() const override { return "test"; }
  ValueType infer(std::span<const ValueType>) const override { return {}; }
  void forward(const Run<float>&) const override {}
  void forward(const Run<double>&) const override {}
  void reverse(const Run<float>&) const override {}
  void reverse(const Run<double>&) const override {}
  void shared_gradient(const Run<float>&, int, Range, Range, float* out, bool) const override { std::ranges::copy(values, out); }
  void shared_gradient(const Run<double>&, int, Range, Range, double*, bool) const override {}
  std::vector<float> values;
};

void set(BatchGradient<float>& gradient, const ParameterTable& table, int id, std::vector<float> values) {
  Gradient op;
  op.values = std::move(values);
  const Run<float> run;
  const ParameterGradient<float>::Use use{&op, &run, 0};
  gradient.fold(ParameterGradient<float>(id, table[id].shape, 1, {&use, 1}, nullptr));
}

std::vector<float> wave(std::size_t size, double step) {
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(std::sin(0.7 * static_cast<double>(i) + step));
  return values;
}

}  // namespace

TEST_CASE("adam: follows the published algorithm") {
  const auto names = table();
  Parameters parameters(names);
  std::ranges::copy(wave(201, 10), parameters.mutable_values<float>(0).begin());
  std::ranges::fill(parameters.mutable_values<float>(1), 4.0f);
  BatchGradient<float> gradient(*names);
  const AdamOptions options{.learning_rate = 0.02, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3};
  Adam adam(parameters, options);

  std::vector<double> w(201), m(201), v(201);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = parameters[0].values<float>()[i];
  for (int t = 1; t <= 5; ++t) {
    set(gradient, *names, 0, wave(201, t));
    adam.step(parameters, gradient);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double g = wave(201, t)[i];
      m[i] = 0.8 * m[i] + 0.2 * g;
      v[i] = 0.95 * v[i] + 0.05 * g * g;
      w[i] -= 0.02 * (m[i] / (1 - std::pow(0.8, t))) / (std::sqrt(v[i] / (1 - std::pow(0.95, t))) + 1e-3);
    }
  }
  CHECK(adam.steps() == 5);
  for (std::size_t i = 0; i < w.size(); ++i)
    CHECK(parameters[0].values<float>()[i] == doctest::Approx(w[i]).epsilon(1e-6).scale(1));
  for (const float buffer : parameters[1].values<float>()) CHECK(buffer == 4);
  CHECK(parameters[2].values<float>()[0] == 0);  // no gradient, no step
}

TEST_CASE("adam: the first step is the learning rate, against the gradient's sign") {
  const auto names = table();
  Parameters parameters(names);
  BatchGradient<float> gradient(*names);
  set(gradient, *names, 2, {-123.0f});
  Adam adam(parameters);
  adam.set_learning_rate(0.5);
  adam.step(parameters, gradient);
  CHECK(parameters[2].values<float>()[0] == doctest::Approx(0.5));
}

TEST_CASE("adam: a gradient that is no number stops before anything moves") {
  const auto names = table();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Parameters parameters(names);
    BatchGradient<float> gradient(*names);
    Adam adam(parameters);
    set(gradient, *names, 0, wave(201, 1));
    adam.step(parameters, gradient);
    const Tensor before = parameters[0];
    std::vector<float> values = wave(201, 2);
    values[200] = bad;
    set(gradient, *names, 0, values);
    const std::string expected = fmt::format(
        "training step 2: the gradient of 'weight' is {} at element 200; try a smaller learning rate (it is 0.01) or scale the "
        "inputs",
        bad);
    CHECK_THROWS_WITH_AS(adam.step(parameters, gradient), expected.c_str(), Error);
    CHECK(parameters[0].version() == before.version());
    CHECK(adam.steps() == 1);
  }
}

TEST_CASE("adam: large gradients whose sum overflows are numbers all the same") {
  const auto names = table();
  Parameters parameters(names);
  BatchGradient<float> gradient(*names);
  set(gradient, *names, 0, std::vector<float>(201, 1e38f));
  Adam adam(parameters);
  CHECK_NOTHROW(adam.step(parameters, gradient));
}
