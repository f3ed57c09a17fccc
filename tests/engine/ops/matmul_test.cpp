#include "engine/ops/matmul.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {
namespace {

/// An operand: its shape as a product reads it, and its batch axis; -1: a parameter.
struct Operand {
  Shape shape;
  int batch_axis;
};

Var declare(Recording& in, const char* name, const Operand& side, bool transposed) {
  Shape shape = side.shape;
  if (transposed) std::swap(shape[shape.rank() - 2], shape[shape.rank() - 1]);
  return side.batch_axis < 0 ? in.parameter(name, shape) : in.input(name, shape, {}, side.batch_axis);
}

}  // namespace

std::vector<OpCase> matmul_cases() {
  struct Operands {
    const char* label;
    Operand a, b;
  };
  const Operands all[] = {
      {"both vary", {{1, 2, 5}, 0}, {{1, 5, 3}, 0}},
      {"heads", {{1, 2, 3, 4}, 0}, {{1, 2, 4, 2}, 0}},
      {"a shared", {{2, 3}, -1}, {{1, 3, 4}, 0}},
      {"b shared by samples", {{1, 2, 3, 4}, 0}, {{2, 4, 3}, -1}},
      {"b shared by samples and heads", {{1, 2, 3, 4}, 0}, {{1, 1, 4, 3}, -1}},
      {"b shared by heads", {{1, 2, 3, 4}, 0}, {{1, 1, 4, 3}, 0}},
      {"both repeat", {{1, 2, 1, 2, 3}, 0}, {{1, 1, 3, 3, 2}, 0}},
      {"a shared of higher rank", {{3, 1, 2, 4}, -1}, {{1, 4, 2}, 0}},
      {"batch axis 1", {{3, 1, 2, 4}, 1}, {{3, 1, 4, 2}, -1}},
      {"several matrices a sample", {{2, 2, 4}, 0}, {{2, 4, 1}, 0}},
      {"wider than a vector", {{1, 9, 17}, 0}, {{1, 17, 18}, 0}},
  };
  std::vector<OpCase> cases;
  for (const Operands& operands : all)
    for (const MatmulOptions options : {MatmulOptions{}, {true, false}, {false, true}, {true, true}})
      cases.push_back({.op = "matmul",
                       .label = fmt::format("{}{}{}", operands.label, options.transpose_a ? ", a transposed" : "",
                                            options.transpose_b ? ", b transposed" : ""),
                       .record = [=](Recording& in) {
                         const Var a = declare(in, "a", operands.a, options.transpose_a);
                         return matmul(a, declare(in, "b", operands.b, options.transpose_b), options);
                       }});
  return cases;
}

namespace {

std::string matmul_refusal(const ValueType& a, const ValueType& b, MatmulOptions options = {}) {
  return refusal({{"a", a}, {"b", b}}, [&](const std::vector<Var>& in) { matmul(in[0], in[1], options); });
}

}  // namespace

TEST_CASE("matmul: values by hand") {
  // Sample by sample [1 2; 3 4] times [5 6; 7 8], and its transposes.
  const std::vector<double> expected[] = {{19, 22, 43, 50}, {26, 30, 38, 44}, {17, 23, 39, 53}, {23, 31, 34, 46}};
  const MatmulOptions options[] = {{}, {true, false}, {false, true}, {true, true}};
  for (std::size_t i = 0; i < 4; ++i) {
    Tape tape;
    const Var a = tape.input("a", {2, 2}), b = tape.input("b", {2, 2});
    const Var c = matmul(a, b, options[i]);
    const Data data{.batch = 1,
                    .inputs = {{a.id(), {1, 2, 3, 4}}, {b.id(), {5, 6, 7, 8}}},
                    .parameters = Parameters(tape.parameters(), DType::f64)};
    Runner<float> runner(tape, {.outputs = {c.id()}}, data);
    runner.replay();
    CHECK(runner.value(c.id()) == expected[i]);
  }
}

TEST_CASE("matmul: a product with a shared matrix is a linear layer") {
  Tape tape;
  const Var x = tape.input("x", {3, 4}), W = tape.parameter({.name = "W", .shape = {4, 2}});
  const Var V = tape.parameter({.name = "V", .shape = {2, 4}});
  const Var y = matmul(x, W), z = matmul(x, V, {.transpose_b = true});
  CHECK(tape.node(y.id()).op->name() == "linear");
  CHECK(tape.node(y.id()).op->attributes() == "weight [in, out]");
  CHECK(tape.node(z.id()).op->attributes() == "");
  CHECK(y.shape() == z.shape());
}

TEST_CASE("matmul: shapes that do not fit are refused") {
  CHECK(matmul_refusal({{1, 2, 3}, 0}, {{1, 4, 5}, 0}) ==
        "node 'matmul': matmul: a is [N, 2, 3], b is [N, 4, 5]; the inner sizes 3 and 4 must match");
  CHECK(matmul_refusal({{1, 2, 3}, 0}, {{1, 3, 5}, 0}, {true, true}) ==
        "node 'matmul': matmul: a is [N, 2, 3] transposed, b is [N, 3, 5] transposed; the inner sizes 2 and 5 must match");
  CHECK(matmul_refusal({{1, 3}, 0}, {{1, 3, 5}, 0}) ==
        "node 'matmul': matmul: the batch axis of [N, 3] is one of the matrix; only the axes before the last two can be it");
  CHECK(matmul_refusal({{3}}, {{1, 3, 5}, 0}) == "node 'matmul': matmul: an operand is [3], expected a matrix or a stack of them");
  CHECK(matmul_refusal({{1, 2, 2, 3}, 0}, {{1, 4, 3, 5}, 0}) ==
        "node 'matmul': matmul: axes before the last two: [N, 2] and [N, 4] do not fit: sizes 2 and "
        "4 on axis "
        "-1 counted from the last");
}

}  // namespace safer::test
