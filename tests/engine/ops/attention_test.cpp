#include "engine/ops/attention.h"

#include <doctest/doctest.h>

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/matmul.h"
#include "engine/ops/shape_ops.h"
#include "engine/tape/batch_gradient.h"
#include "tests/allocation_counter.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> attention_cases() {
  struct Sizes {
    const char* label;
    Shape q, k, v;
    AttentionOptions options;
  };
  const Sizes all[] = {
      {"one head", {1, 3, 4}, {1, 3, 4}, {1, 3, 4}, {}},
      {"two heads", {1, 3, 6}, {1, 3, 6}, {1, 3, 6}, {.heads = 2}},
      {"causal", {1, 4, 4}, {1, 4, 4}, {1, 4, 4}, {.heads = 2, .causal = true}},
      {"more keys than queries", {1, 2, 4}, {1, 5, 4}, {1, 5, 6}, {.heads = 2, .scale = 0.7}},
      {"two sequences a sample", {2, 2, 2}, {2, 3, 2}, {2, 3, 2}, {.heads = 2}},
      {"one token", {1, 1, 3}, {1, 1, 3}, {1, 1, 3}, {.heads = 3}},
  };
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    cases.push_back({.op = "attention",
                     .label = sizes.label,
                     .record =
                         [=](Recording& in) {
                           const Var q = in.input("q", sizes.q), k = in.input("k", sizes.k);
                           return attention(q, k, in.input("v", sizes.v), sizes.options);
                         },
                     .terms = 1});
  cases.push_back({.op = "attention", .label = "a value with itself", .record = [](Recording& in) {
                     const Var x = in.input("x", {1, 3, 4});
                     return attention(x, x, x, {.heads = 2});
                   }});
  return cases;
}

namespace {

std::string attention_refusal(const ValueType& q, const ValueType& k, const ValueType& v, AttentionOptions options = {}) {
  return refusal({{"q", q}, {"k", k}, {"v", v}},
                 [&](const std::vector<Var>& in) { attention(in[0], in[1], in[2], options, "attn"); });
}

}  // namespace

TEST_CASE("attention: equal keys give the mean of the values they let a query see") {
  for (const bool causal : {false, true}) {
    Tape tape;
    const Var q = tape.input("q", {3, 2}), k = tape.input("k", {3, 2}), v = tape.input("v", {3, 2});
    const Var y = attention(q, k, v, {.heads = 2, .causal = causal});
    const Data data{.batch = 1,
                    .inputs = {{q.id(), {5, 1, 2, -3, 4, 0}}, {k.id(), {1, 2, 1, 2, 1, 2}}, {v.id(), {1, 10, 2, 20, 6, 60}}},
                    .parameters = Parameters(tape.parameters(), DType::f64)};
    Runner<double> runner(tape, {.outputs = {y.id()}}, data);
    runner.replay();
    const std::vector<double> found = runner.value(y.id());
    const std::vector<double> expected =
        causal ? std::vector<double>{1, 10, 1.5, 15, 3, 30} : std::vector<double>{3, 30, 3, 30, 3, 30};
    for (std::size_t i = 0; i < 6; ++i) CHECK(found[i] == doctest::Approx(expected[i]));
  }
}

TEST_CASE("attention: the same as its steps one by one") {
  constexpr std::int64_t batch = 3, heads = 2, width = 4;  // of a head
  Tape tape;
  Recording in(tape, Stand::plain);
  const Var q = in.input("q", {1, 3, heads * width}), k = in.input("k", {1, 5, heads * width}),
            v = in.input("v", {1, 5, heads * width});
  const auto cut = [&](Var x) { return transpose(reshape(x, {1, x.shape()[1], heads, width}), {0, 2, 1, 3}); };
  const Var weights = softmax(matmul(cut(q), cut(k), {.transpose_b = true}) * 0.3);
  const Var steps = reshape(transpose(matmul(weights, cut(v)), {0, 2, 1, 3}), {1, 3, heads * width});
  const Var whole = attention(q, k, v, {.heads = heads, .scale = 0.3});
  const Data data = in.draw(batch, Mode::inference);
  const std::vector<double> seed = random_values(static_cast<std::size_t>(whole.type().at(batch).size()), 3);
  const Outcome expected = differentiate<double>(tape, steps.id(), data, seed),
                found = differentiate<double>(tape, whole.id(), data, seed);
  Deviation deviation;
  deviation.add("output", found.output, expected.output, 1e-14);
  for (const auto& [id, gradient] : expected.gradients) deviation.add(tape.node(id).name, found.gradients.at(id), gradient, 1e-14);
  CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
}

TEST_CASE("attention: many sequences give what each gives alone") {
  constexpr std::int64_t batch = 37;
  const Recorded recorded({.op = "attention", .label = "", .record = [](Recording& in) {
                             const Var q = in.input("q", {1, 2, 6}), k = in.input("k", {1, 3, 6});
                             return attention(q, k, in.input("v", {1, 3, 3}), {.heads = 3});
                           }});
  const Data data = recorded.draw(batch);
  const std::vector<double> seed = recorded.seed(batch);
  const Outcome whole = differentiate<double>(recorded.tape, recorded.root, data, seed);
  const ValueType& type = recorded.tape.node(recorded.root).type;
  for (std::int64_t s = 0; s < batch; ++s) {
    const Outcome alone = differentiate<double>(recorded.tape, recorded.root, sample_of(recorded.tape, data, s),
                                                sample_of<double>(type, seed, batch, s));
    CHECK(sample_of<double>(type, whole.output, batch, s) == alone.output);
    for (const auto& [id, gradient] : alone.gradients)
      CHECK(sample_of<double>(recorded.tape.node(id).type, whole.gradients.at(id), batch, s) == gradient);
  }
}

TEST_CASE("attention: the scores are never in memory as a whole") {
  if (!AllocationCounter::works) {
    MESSAGE("not tested, allocations cannot be counted in this build");
    return;
  }
  constexpr std::int64_t tokens = 4000;
  Tape tape;
  Recording in(tape, Stand::plain);
  const Var x = in.input("x", {1, tokens, 2});
  const Var y = attention(x, x, x);
  const Data data = in.draw(1, Mode::inference);
  const AllocationCounter counter;
  Runner<float> runner(tape, {.outputs = {y.id()}, .root = y.id(), .gradients = {x.id()}}, data);
  runner.replay();
  BatchGradient<float> none(*tape.parameters());
  runner.workspace.reverse(none);
  const std::int64_t peak = counter.peak_bytes();
  CHECK(peak < tokens * tokens * std::int64_t(sizeof(float)) / 20);
}

TEST_CASE("attention: shapes that do not fit are refused") {
  const ValueType x{{1, 3, 4}, 0};
  const auto with = [&](std::string_view k, std::string_view why) {
    return fmt::format("node 'attn': attention: q [N, 3, 4], k {}, v [N, 3, 4]: {}", k, why);
  };
  CHECK(attention_refusal(x, x, x, {.heads = 3}) == with("[N, 3, 4]", "3 heads do not divide the width evenly"));
  CHECK(attention_refusal(x, x, x, {.heads = 0}) == with("[N, 3, 4]", "0 heads do not divide the width evenly"));
  CHECK(attention_refusal(x, {{1, 3, 4}}, x) ==
        with("[1, 3, 4]", "some vary over the batch and some do not; expand those that are shared"));
  CHECK(attention_refusal(x, {{1, 3, 4}, 1}, x) == with("[1, 3N, 4]", "the batch axis is 1, expected 0; transpose first"));
  CHECK(attention_refusal(x, {{1, 12}, 0}, x) ==
        "node 'attn': attention: q [N, 3, 4], k [N, 12], v [N, 3, 4]: expected three axes each, [N, T, d]");
  CHECK(attention_refusal(x, x, {{2, 3, 4}, 0}) ==
        "node 'attn': attention: q [N, 3, 4], k [N, 3, 4], v [2N, 3, 4]: different numbers of sequences");
  CHECK(attention_refusal(x, x, {{1, 2, 4}, 0}) ==
        "node 'attn': attention: q [N, 3, 4], k [N, 3, 4], v [N, 2, 4]: k and v must have the same length");
  CHECK(attention_refusal(x, {{1, 3, 2}, 0}, x) ==
        "node 'attn': attention: q [N, 3, 4], k [N, 3, 2], v [N, 3, 4]: q and k must have the same width");
  CHECK(attention_refusal(x, {{1, 2, 4}, 0}, {{1, 2, 4}, 0}, {.causal = true}) ==
        "node 'attn': attention: q [N, 3, 4], k [N, 2, 4], v [N, 2, 4]: causal attention needs as many queries as keys");
}

}  // namespace safer::test
