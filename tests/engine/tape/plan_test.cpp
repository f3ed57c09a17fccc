#include "engine/tape/plan.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "tests/engine/tape/toy_network.h"

using namespace safer;

TEST_CASE("plan: computes only what outputs need, and resumes only what depends on the change") {
  const Toy toy;
  const Plan whole(toy.tape, {.outputs = {toy.target}}), part(toy.tape, {.outputs = {toy.h1}});
  CHECK(part.full().forward.size() < whole.full().forward.size());
  const Plan resumed(toy.tape, {.outputs = {toy.logits}, .resume = {toy.weights[0], toy.weights[5], toy.x}});
  CHECK(resumed.resumed(0).forward.size() == resumed.full().forward.size());
  CHECK(resumed.resumed(1).forward.size() == 1);  // W3 is read by the last op alone
  CHECK(resumed.resumed(2).forward.size() == resumed.full().forward.size());
}

TEST_CASE("plan: only what a resumed program reads is pinned") {
  const Toy toy;
  const std::int64_t batch = 100;
  CHECK(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}}).pinned_bytes() == 0);
  CHECK(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}, .resume = {toy.weights[0]}}).pinned_bytes() == 0);
  // From W3 on, one product of the trunk's width is read.
  const std::size_t width = (static_cast<std::size_t>(batch * Toy::width) * sizeof(float) + 63) / 64 * 64;
  CHECK(Plan(toy.tape, {.batch = batch, .outputs = {toy.logits}, .resume = {toy.weights[5]}}).pinned_bytes() == width);
}

TEST_CASE("plan: the tape stays as it was, and outlives nothing") {
  const auto plan = [] {
    const Toy toy;
    return Plan(toy.tape, {.outputs = {toy.logits}});
  }();
  CHECK(plan.tape().find("logits") == plan.options().outputs[0]);
}

TEST_CASE("plan: options that make no sense are refused") {
  const Toy toy;
  const auto plan = [&](PlanOptions options) { Plan(toy.tape, std::move(options)); };
  CHECK_THROWS_WITH_AS(plan({.batch = 0, .outputs = {toy.logits}}), "plan: batch size 0, expected at least 1", Error);
  CHECK_THROWS_WITH_AS(plan({.type = DType::i8, .outputs = {toy.logits}}), "plan: type i8, expected f32 or f64", Error);
  CHECK_THROWS_WITH_AS(plan({}), "plan: neither outputs nor a root to compute", Error);
  CHECK_THROWS_WITH_AS(plan({.outputs = {toy.logits}, .gradients = {toy.x}}), "plan: gradients are wanted, but of which root?",
                       Error);
  CHECK_THROWS_AS(plan({.outputs = {9999}}), Error);
  CHECK_THROWS_WITH_AS(plan({.outputs = {toy.logits}, .taps = {toy.x}}),
                       "plan: value 'x' cannot be tapped: only a computed value that leads to an output can be", Error);
  CHECK_THROWS_WITH_AS(plan({.outputs = {toy.h0}, .resume = {toy.weights[5]}}),
                       "plan: value 'W3' cannot be a resume point: only an input, a parameter or a computed value that leads to an "
                       "output can be",
                       Error);
  CHECK_THROWS_WITH_AS(plan({.root = toy.h0, .gradients = {toy.weights[5]}}),
                       "plan: value 'W3' cannot be differentiated by: the root does not depend on it", Error);
}
