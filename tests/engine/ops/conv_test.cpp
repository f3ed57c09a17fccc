#include "engine/ops/conv.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> conv_cases() {
  struct Sizes {
    const char* label;
    Shape x, w;
    ConvOptions options = {};
    bool bias = true;
  };
  const Sizes all[] = {
      {"3x3, padding 1", {1, 2, 5, 4}, {3, 2, 3, 3}, {.padding = 1}},
      {"without bias", {1, 2, 4, 5}, {2, 2, 2, 3}, {}, false},
      {"stride 2, padding bottom and right", {1, 3, 6, 6}, {4, 3, 3, 3}, {.stride = 2, .padding = {0, 0, 1, 1}}},
      {"stride 2 does not reach the end", {1, 1, 6, 5}, {1, 1, 3, 2}, {.stride = 2}},
      {"strides and paddings differ", {1, 2, 7, 5}, {2, 2, 3, 2}, {.stride = {3, 2}, .padding = {2, 1, 0, 3}}},
      {"1x1", {1, 5, 3, 4}, {7, 5, 1, 1}},
      {"1x1, stride 2", {1, 3, 5, 4}, {4, 3, 1, 1}, {.stride = 2}, false},
      {"dilation 2", {1, 2, 7, 8}, {2, 2, 3, 3}, {.padding = 2, .dilation = 2}},
      {"dilation 2, stride 3", {1, 1, 9, 8}, {2, 1, 2, 3}, {.stride = 3, .padding = 1, .dilation = {2, 3}}},
      {"2 groups", {1, 4, 4, 4}, {6, 2, 3, 3}, {.padding = 1, .groups = 2}},
      {"depthwise", {1, 4, 5, 6}, {4, 1, 3, 3}, {.padding = 1, .groups = 4}},
      {"depthwise, stride 2", {1, 3, 6, 6}, {3, 1, 3, 3}, {.stride = 2, .padding = {0, 0, 1, 1}, .groups = 3}},
      {"depthwise, two outputs a channel", {1, 2, 4, 4}, {4, 1, 3, 3}, {.padding = 1, .groups = 2}},
      {"kernel larger than the image", {1, 1, 2, 2}, {1, 1, 5, 5}, {.padding = 2}},
      {"all of a row", {1, 2, 1, 20}, {3, 2, 1, 4}},
      {"two images a sample", {2, 2, 3, 3}, {2, 2, 2, 2}},
  };
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all)
    cases.push_back({.op = "conv2d",
                     .label = sizes.label,
                     .record =
                         [=](Recording& in) {
                           const Var x = in.input("x", sizes.x), w = in.parameter("w", sizes.w);
                           return conv2d(x, w, sizes.bias ? in.parameter("b", {sizes.w[0]}, {}, Role::bias) : Var{}, sizes.options);
                         },
                     .ulps = 48});
  return cases;
}

namespace {

std::string conv_refusal(const ValueType& x, const ValueType& w, ConvOptions options = {}, const ValueType& b = {{2}}) {
  return refusal({{"x", x}, {"w", w}, {"b", b}}, [&](const std::vector<Var>& in) { conv2d(in[0], in[1], in[2], options, "conv"); });
}

}  // namespace

TEST_CASE("conv2d: values by hand") {
  // The image 1 .. 9; the kernel [1 0; 0 -1] takes from each pixel the one below to its right: 1 - 5 = -4 everywhere.
  ByHand hand;
  const Var x = hand.input({1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}), w = hand.shared({1, 1, 2, 2}, {1, 0, 0, -1});
  const Var b = hand.shared({1}, {10});
  CHECK(hand.value(conv2d(x, w, b)) == std::vector<double>{6, 6, 6, 6});
  CHECK(hand.value(conv2d(x, w, {}, {.stride = 2, .padding = {0, 0, 1, 1}})) == std::vector<double>{-4, 3, 7, 9});
  CHECK(hand.value(conv2d(x, w, {}, {.padding = {1, 0, 0, 0}})) == std::vector<double>{-2, -3, -4, -4, -4, -4});
  CHECK(hand.value(conv2d(x, w, {}, {.dilation = 2})) == std::vector<double>{1 - 9});
}

TEST_CASE("conv2d: groups see their own channels only, in order") {
  ByHand hand;
  const Var x = hand.input({1, 2, 1, 2}, {1, 2, 10, 20}), w = hand.shared({4, 1, 1, 1}, {1, 2, 3, 4});
  CHECK(hand.value(conv2d(x, w, {}, {.groups = 2})) == std::vector<double>{1, 2, 2, 4, 30, 60, 40, 80});
}

TEST_CASE("conv2d: shapes and numbers that do not fit are refused") {
  CHECK(conv_refusal({{1, 3, 8}, 0}, {{2, 3, 3, 3}}) ==
        "node 'conv': conv2d: x is [N, 3, 8], expected [N, channels, rows, columns] with the batch first");
  CHECK(conv_refusal({{3, 1, 8, 8}, 1}, {{2, 3, 3, 3}}) ==
        "node 'conv': conv2d: x is [3, N, 8, 8], expected [N, channels, rows, columns] with the batch first");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 4, 3, 3}}) ==
        "node 'conv': conv2d: x [N, 3, 8, 8] has 3 channels, but the weight [2, 4, 3, 3] takes 4");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 4, 3, 3}, 0}) ==
        "node 'conv': conv2d: the weight is [2N, 4, 3, 3], expected [out, channels / groups, rows, columns] for all samples");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 3, 3, 3}}, {.groups = 2}) ==
        "node 'conv': conv2d: 2 groups, but x [N, 3, 8, 8] and the weight [2, 3, 3, 3] have 3 and 2 channels; both must be "
        "multiples");
  CHECK(conv_refusal({{1, 3, 2, 8}, 0}, {{2, 3, 3, 3}}) ==
        "node 'conv': conv2d: a window of 3 rows does not fit into 2 with padding 0 + 0");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 3, 3, 3}}, {.stride = {1, 0}}) ==
        "node 'conv': conv2d: 3 taps, stride 0, dilation 1 along the columns; expected 1 or more each");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 3, 3, 3}}, {.padding = -1}) ==
        "node 'conv': conv2d: padding of -1 before and -1 after the rows; expected 0 or more");
  CHECK(conv_refusal({{1, 3, 8, 8}, 0}, {{2, 3, 3, 3}}, {}, {{3}}) ==
        "node 'conv': conv2d: the bias is [3], expected [2] for all samples");
}

}  // namespace safer::test
