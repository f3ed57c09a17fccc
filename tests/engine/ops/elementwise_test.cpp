#include "engine/ops/elementwise.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {
namespace {

using Function = Var (*)(Var, Var, std::string_view);
struct Named {
  const char* name;
  Function function;
};
constexpr Named functions[] = {{"add", add}, {"sub", sub}, {"mul", mul}, {"div", div}};

/// Denominators stay away from 0.
Draw draw_of(const Named& named, bool right) { return named.function == div && right ? Draw{.low = 0.5, .high = 2} : Draw{}; }

/// How an operand is declared: its shape and batch axis; -1: a parameter.
struct Side {
  Shape shape;
  int batch_axis;
};
struct Shapes {
  const char* label;
  Side a, b;
  bool shareable = true;
};

Var declare(Recording& in, const std::string& name, const Side& side, const Draw& draw) {
  return side.batch_axis < 0 ? in.parameter(name, side.shape, draw) : in.input(name, side.shape, draw, side.batch_axis);
}

const std::vector<Shapes>& shapes() {
  static const std::vector<Shapes> all = {
      {"equal", {{1, 2, 7}, 0}, {{1, 2, 7}, 0}},
      {"shared row", {{1, 5}, 0}, {{5}, -1}},
      {"shared row on the left", {{5}, -1}, {{1, 3, 5}, 0}},
      {"positions", {{1, 3, 4}, 0}, {{1, 3, 4}, -1}},
      {"shared matrix", {{1, 3, 4}, 0}, {{3, 4}, -1}},
      {"channels", {{1, 3, 2, 4}, 0}, {{3, 1, 1}, -1}},
      {"shared scalar", {{1, 3}, 0}, {{}, -1}},
      {"shared element", {{1, 3}, 0}, {{1, 1}, -1}},
      {"gate", {{1, 3, 2, 2}, 0}, {{1, 3, 1, 1}, 0}},
      {"one a sample", {{1, 6}, 0}, {{1, 1}, 0}},
      {"both repeat", {{1, 3, 1}, 0}, {{1, 1, 4}, 0}},
      {"both repeat, one shared", {{1, 1, 4}, 0}, {{5, 1}, -1}},
      {"shared of higher rank", {{1, 4}, 0}, {{3, 1, 4}, -1}},
      {"different ranks", {{2, 1, 4}, 1}, {{1, 4}, 0}},
      {"batch axis 1", {{3, 1, 4}, 1}, {{3, 1, 1}, -1}},
      {"batch axis last", {{3, 2, 1}, 2}, {{3, 1, 1}, -1}},
      {"batch axis last, shared inner", {{3, 2, 1}, 2}, {{2, 1}, -1}},
      {"two rows a sample", {{2, 3}, 0}, {{1, 3}, -1}},
      {"more than a strip", {{1, 2, 301}, 0}, {{301}, -1}},
  };
  return all;
}

}  // namespace

std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> cases;
  for (const Named& named : functions)
    for (const Shapes& s : shapes())
      cases.push_back({.op = named.name, .label = s.label, .record = [=](Recording& in) {
                         const Var a = declare(in, "a", s.a, draw_of(named, false));
                         return named.function(a, declare(in, "b", s.b, draw_of(named, true)), {});
                       }});
  for (const Named& named : functions)
    cases.push_back({.op = named.name,
                     .label = "a value and itself",
                     .record =
                         [=](Recording& in) {
                           const Var x = in.input("x", {1, 4}, {.low = 0.5, .high = 2});
                           return named.function(x, x, {});
                         },
                     .terms = 2});
  return cases;
}

namespace {

std::vector<double> compute(const std::function<Var(Var, Var)>& function, const Side& a, const Side& b, std::int64_t batch) {
  Tape tape;
  Recording recording(tape, Stand::plain);
  const Var left = declare(recording, "a", a, {}), right = declare(recording, "b", b, {});
  const Var y = function(left, right);
  Data data = recording.draw(batch, Mode::inference);
  const auto fill = [&](Var var, double from) {
    std::vector<double> values(static_cast<std::size_t>(var.type().at(batch).size()));
    for (double& value : values) value = from++;
    if (var.type().batched())
      data.inputs[var.id()] = values;
    else
      data.parameters.set(tape.node(var.id()).parameter, Tensor::of<double>(var.shape(), values));
  };
  fill(left, 1);
  fill(right, 10);
  Runner<float> runner(tape, {.outputs = {y.id()}}, data);
  runner.replay();
  return runner.value(y.id());
}

using Values = std::vector<double>;

std::string elementwise_refusal(const std::function<Var(Var, Var)>& function, const ValueType& a, const ValueType& b) {
  return refusal({{"a", a}, {"b", b}}, [&](const std::vector<Var>& in) { function(in[0], in[1]); });
}

}  // namespace

TEST_CASE("elementwise: values by hand") {
  CHECK(compute([](Var a, Var b) { return a + b; }, {{1, 3}, 0}, {{3}, -1}, 2) == Values{11, 13, 15, 14, 16, 18});
  CHECK(compute([](Var a, Var b) { return a - b; }, {{1, 3}, 0}, {{1, 1}, 0}, 2) == Values{-9, -8, -7, -7, -6, -5});
  CHECK(compute([](Var a, Var b) { return a * b; }, {{1, 2, 1}, 0}, {{1, 1, 2}, 0}, 1) == Values{10, 11, 20, 22});
  CHECK(compute([](Var a, Var b) { return a / b; }, {{2, 1}, 1}, {{2, 1}, -1}, 2) == Values{0.1f, 0.2f, 3 / 11.f, 4 / 11.f});
}

TEST_CASE("elementwise: numbers on either side") {
  const auto with = [](auto f) { return compute([=](Var a, Var) { return f(a); }, {{1, 2}, 0}, {{1, 2}, 0}, 1); };
  CHECK(with([](Var a) { return a + 0.5; }) == Values{1.5, 2.5});
  CHECK(with([](Var a) { return 0.5 + a; }) == Values{1.5, 2.5});
  CHECK(with([](Var a) { return a - 0.5; }) == Values{0.5, 1.5});
  CHECK(with([](Var a) { return 0.5 - a; }) == Values{-0.5, -1.5});
  CHECK(with([](Var a) { return a * 3; }) == Values{3, 6});
  CHECK(with([](Var a) { return 3 * a; }) == Values{3, 6});
  CHECK(with([](Var a) { return a / 4; }) == Values{0.25, 0.5});
  CHECK(with([](Var a) { return 4 / a; }) == Values{4, 2});
}

TEST_CASE("elementwise: shapes that do not fit are refused") {
  CHECK(elementwise_refusal([](Var a, Var b) { return a + b; }, {{1, 3}, 0}, {{4}}) ==
        "node 'add': add: [N, 3] and [4] do not fit: sizes 3 and 4 on axis -1 counted from the last");
  CHECK(elementwise_refusal([](Var a, Var b) { return a * b; }, {{1, 3}, 0}, {{1, 3}, 1}) ==
        "node 'mul': mul: [N, 3] and [1, 3N] do not fit: their batch axes do not line up");
  CHECK(elementwise_refusal([](Var a, Var b) { return a / b; }, {{2, 3}, 0}, {{1, 3}, 0}) ==
        "node 'div': div: [2N, 3] and [N, 3] do not fit: a sample owns different numbers of rows");
  CHECK(elementwise_refusal([](Var a, Var b) { return a - b; }, {{2, 3}}, {{1, 3}, 0}) ==
        "node 'sub': sub: [2, 3] and [N, 3] do not fit: what all samples share must have size 1 on the batch axis");
  CHECK(elementwise_refusal([](Var a, Var b) { return a + b; }, {{1, 3}, 0, DType::i64}, {{1, 3}, 0}) ==
        "node 'add': add: the input [N, 3] holds i64 numbers, expected reals (f32)");
}

}  // namespace safer::test
