#include "engine/tape/tape.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "engine/ops/ops.h"

using namespace safer;

TEST_CASE("tape: names follow scopes and stay unique") {
  Tape tape;
  const Var x = tape.input("x", {4});
  Var y;
  {
    const auto block = tape.scope("blocks.0");
    const Var w = tape.parameter({.name = "fc.weight", .shape = {4, 4}});
    CHECK(tape.node(w.id()).name == "blocks.0.fc.weight");
    y = linear(x, w);
    CHECK(tape.node(y.id()).name == "blocks.0.fc");
    y = relu(y);
    CHECK(tape.node(y.id()).name == "blocks.0.relu");
    CHECK(tape.node(relu(y).id()).name == "blocks.0.relu_2");
  }
  CHECK(tape.node(relu(y).id()).name == "relu");
  CHECK(tape.node(tape.rename(y, "hidden").id()).name == "hidden");
  CHECK(tape.find("hidden") == y.id());
  CHECK_THROWS_WITH_AS(static_cast<void>(tape.find("hiden")), "no value is called 'hiden' on this tape of 6 values", Error);
  CHECK_THROWS_WITH_AS(tape.rename(y, "x"), "value 'hidden' cannot be called 'x': the name is taken", Error);
  CHECK_THROWS_AS(tape.input("x", {1}), Error);
  CHECK_THROWS_AS(tape.parameter({.name = "x", .shape = {1}}), Error);
}

TEST_CASE("tape: layers are weights or their parts, in order of use, with all their uses") {
  Tape tape;
  const Var late = tape.parameter({.name = "late", .shape = {3, 3}});
  const Var early = tape.parameter({.name = "early", .shape = {3, 3}, .parts = {{"early.q", {0, 1}}, {"early.kv", {1, 3}}}});
  const Var bias = tape.parameter({.name = "bias", .shape = {3}, .role = Role::bias});
  const Var x = tape.input("x", {3});
  const Var h = relu(linear(x, early, bias));
  const Var y = linear(linear(h, late), late);
  const std::vector<Layer> layers = tape.layers();
  REQUIRE(layers.size() == 3);
  CHECK(layers[0].name == "early.q");
  CHECK(layers[0].outputs == Range{0, 1});
  CHECK(layers[1].name == "early.kv");
  CHECK(layers[1].parameter == layers[0].parameter);
  CHECK(layers[2].name == "late");
  CHECK(layers[2].uses.size() == 2);
  CHECK(layers[2].uses[1] == y.id());
  CHECK(layers[2].outputs == Range{0, 3});
  CHECK(tape.activation_of(layers[0].uses[0]) == h.id());
  CHECK(tape.activation_of(y.id()) == y.id());
}

TEST_CASE("tape: an activation read twice is still the layer's, a layer read twice has none") {
  Tape tape;
  const Var x = tape.input("x", {3}), w = tape.parameter({.name = "w", .shape = {3, 3}});
  const Var y = linear(x, w);
  const Var r = relu(y);
  CHECK(tape.activation_of(y.id()) == r.id());
  r + r;
  CHECK(tape.activation_of(y.id()) == r.id());
  y + r;
  CHECK(tape.activation_of(y.id()) == y.id());
}

TEST_CASE("tape: a copy can be extended, the original stays") {
  Tape tape;
  const Var x = tape.input("x", {3}), w = tape.parameter({.name = "w", .shape = {3, 3}});
  const ValueId y = linear(x, w).id();
  Tape copy = tape;
  relu(copy.var(y));
  CHECK(copy.parameters() == tape.parameters());
  copy.parameter({.name = "v", .shape = {1}});
  CHECK(copy.parameters()->size() == 2);
  CHECK(tape.parameters()->size() == 1);
  CHECK(tape.size() == 3);
}

TEST_CASE("tape: recording errors name the node") {
  Tape tape, other;
  const Var x = tape.input("x", {3}), w = tape.parameter({.name = "fc.weight", .shape = {4, 5}});
  CHECK_THROWS_AS(linear(x, w), Error);
  CHECK_THROWS_AS(x + other.input("x", {3}), Error);
  CHECK_THROWS_WITH_AS(tape.constant("c", Tensor(DType::u8, {1})), "constant 'c': elements are u8; a run takes f32, f64 and i64",
                       Error);
  CHECK_THROWS_WITH_AS(tape.input("i", {1}, DType::i32), "input 'i': elements are i32; a run takes reals (f32) and indices (i64)",
                       Error);
  CHECK_THROWS_WITH_AS(tape.input("s", ValueType{{3}, -1, DType::f32}), "input 's': shape [3] has no batch axis", Error);
  CHECK_THROWS_AS(tape.parameter({.name = "p", .shape = {3, 2}, .output_axis = 2}), Error);
  CHECK_THROWS_AS(tape.parameter({.name = "p", .shape = {3, 2}, .parts = {{"q", {2, 4}}}}), Error);
  try {
    linear(x, w);
    FAIL("a mismatch was recorded");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("'fc'") != std::string::npos);
  }
}
