#include "engine/ops/attention.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"

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

}  // namespace safer::test
