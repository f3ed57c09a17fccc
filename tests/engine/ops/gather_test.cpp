#include <doctest/doctest.h>

#include "engine/ops/shape_ops.h"
#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {

std::vector<OpCase> gather_cases() {
  return {
      {.op = "gather",
       .label = "rows of a table",
       .record =
           [](Recording& r) {
             return gather(r.parameter("W", {7, 3}), r.index("j", {1, 4}, 7));
           }},
      {.op = "gather",
       .label = "a table's middle axis, batch axis 1 of the indices",
       .record =
           [](Recording& r) {
             return gather(r.parameter("W", {4, 3, 2}), r.index("j", {2, 3}, 3, 1), 1);
           }},
      {.op = "gather",
       .label = "fixed places of every sample",
       .record =
           [](Recording& r) {
             const std::int64_t places[] = {2, 0, 2};
             return gather(r.input("x", {1, 3, 2}), r.tape().constant("places", Tensor::of<std::int64_t>({3}, places)), 1);
           }},
      {.op = "gather",
       .label = "one place, before the batch axis",
       .record =
           [](Recording& r) {
             const std::int64_t place[] = {1};
             return gather(r.input("x", {3, 2, 2}, {}, 1), r.tape().constant("place", Tensor::of<std::int64_t>(Shape{}, place)), 0);
           }},
  };
}

TEST_CASE("gather: rows of a table") {
  ByHand hand(2);
  const Var table = hand.shared({3, 2}, {1, 2, 3, 4, 5, 6}), j = hand.indices({1, 2}, {2, 0, 2, 2});
  const Var y = gather(table, j);
  CHECK(y.type() == ValueType{{1, 2, 2}, 0, DType::f32});
  const Outcome outcome = hand.run(y, {1, 2, 10, 20, 100, 200, 1000, 2000});
  CHECK(outcome.output == std::vector<double>{5, 6, 1, 2, 5, 6, 5, 6});
  CHECK(outcome.gradients.at(table.id()) == std::vector<double>{10, 20, 0, 0, 1101, 2202});
  CHECK(hand.tape.node(y.id()).op->attributes() == "axis 0");
}

TEST_CASE("gather: shapes") {
  Tape tape;
  const Var x = tape.input("x", {5, 6}), table = tape.parameter({.name = "W", .shape = {5, 6}});
  const Var j = tape.input("j", {2}, DType::i64);
  const Var one = tape.constant("one", Tensor(DType::i64, Shape{})), some = tape.constant("some", Tensor(DType::i64, {4, 3}));
  CHECK(gather(x, one, 1).type() == ValueType{{1, 6}, 0, DType::f32});
  CHECK(gather(x, some, -1).type() == ValueType{{1, 5, 4, 3}, 0, DType::f32});
  CHECK(gather(table, some).type() == ValueType{{4, 3, 6}, -1, DType::f32});
  CHECK(gather(table, j, 1).type() == ValueType{{5, 1, 2}, 1, DType::f32});
  const Var turned = tape.input("turned", ValueType{{4, 1}, 1});
  CHECK(gather(turned, some, 0).type() == ValueType{{4, 3, 1}, 2, DType::f32});
  CHECK(gather(turned, one, 0).type() == ValueType{{1}, 0, DType::f32});
}

TEST_CASE("gather: wrong indices are found before anything is computed") {
  for (const std::int64_t wrong : {std::int64_t{3}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max()}) {
    ByHand hand(2);
    const Var y = gather(hand.shared({2, 3}, counted(6)), hand.indices({1, 2}, {0, 2, 1, wrong}), -1);
    CHECK_THROWS_WITH_AS(
        hand.value(y), fmt::format("gather: index {} at place 3 is not in 0..2, the places along axis -1 of [2, 3]", wrong).c_str(),
        Error);
  }
}

TEST_CASE("gather: errors") {
  Tape tape;
  const Var x = tape.input("x", {5}), table = tape.parameter({.name = "W", .shape = {5, 6}});
  const Var j = tape.input("j", {2}, DType::i64);
  CHECK_THROWS_WITH_AS(
      gather(x, j, 1),
      "node 'gather': gather: both [N, 5] and the indices [N, 2] vary over the batch; one of them must be shared by "
      "all samples",
      Error);
  CHECK_THROWS_WITH_AS(gather(x, j, 0), "node 'gather': gather: axis 0 of [N, 5] is the batch axis; samples cannot be chosen",
                       Error);
  CHECK_THROWS_WITH_AS(gather(table, x), "node 'gather': gather: the indices [N, 5] hold f32 numbers, expected i64", Error);
  CHECK_THROWS_WITH_AS(gather(j, j), "node 'gather': gather: the input [N, 2] holds i64 numbers, expected reals (f32)", Error);
  CHECK_THROWS_WITH_AS(gather(table, j, 2), "node 'gather': gather: axis 2 is out of range for shape [5, 6] (expected -2 to 1)",
                       Error);
}

}  // namespace safer::test
