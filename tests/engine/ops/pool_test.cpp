#include "engine/ops/pool.h"

#include <doctest/doctest.h>

#include "tests/engine/ops/by_hand.h"
#include "tests/engine/ops/op_case.h"
#include "tests/engine/ops/refusal.h"

namespace safer::test {

std::vector<OpCase> pool_cases() {
  struct Sizes {
    const char* label;
    Shape x;
    Pair window;
    PoolOptions options = {};
  };
  const Sizes all[] = {
      {"2x2, stride 2", {1, 2, 4, 6}, 2, {.stride = 2}},
      {"3x3, stride 2, padding 1", {1, 2, 7, 9}, 3, {.stride = 2, .padding = 1}},
      {"overlapping", {1, 1, 5, 19}, {2, 3}, {}},
      {"ceil", {1, 2, 6, 5}, {3, 2}, {.stride = 2, .ceil = true}},
      {"padding on two sides, ceil", {1, 1, 6, 6}, 3, {.stride = {2, 3}, .padding = {0, 2, 1, 0}, .ceil = true}},
      {"dilation", {1, 2, 7, 8}, 3, {.padding = 1, .dilation = {2, 1}}},
      {"all of an image", {1, 3, 4, 3}, {4, 3}, {}},
      {"two images a sample", {2, 2, 3, 3}, 2, {}},
  };
  const Draw distinct{.distinct = true};  // central differences of a maximum must not change which element it is
  std::vector<OpCase> cases;
  for (const Sizes& sizes : all) {
    cases.push_back({.op = "max_pool2d", .label = sizes.label, .record = [=](Recording& in) {
                       return max_pool2d(in.input("x", sizes.x, distinct), sizes.window, sizes.options);
                     }});
    for (const bool count_padding : {false, true})
      cases.push_back({.op = "average_pool2d",
                       .label = fmt::format("{}{}", sizes.label, count_padding ? ", counting the padding" : ""),
                       .record = [=](Recording& in) {
                         PoolOptions options = sizes.options;
                         options.count_padding = count_padding;
                         return average_pool2d(in.input("x", sizes.x), sizes.window, options);
                       }});
  }
  return cases;
}

namespace {

using Values = std::vector<double>;
const Values nine = {1, 2, 3, 4, 5, 6, 7, 8, 9};

std::string pool_refusal(const ValueType& type, Pair window, PoolOptions options = {}, bool average = true) {
  return refusal({{"x", type}}, [&](const std::vector<Var>& in) {
    average ? average_pool2d(in[0], window, options, "pool") : max_pool2d(in[0], window, options, "pool");
  });
}

}  // namespace

TEST_CASE("max_pool2d: values by hand") {
  ByHand hand;
  const Var x = hand.input({1, 1, 3, 3}, nine);
  CHECK(hand.value(max_pool2d(x, 2)) == Values{5, 6, 8, 9});
  CHECK(hand.value(max_pool2d(x, 2, {.stride = 2})) == Values{5});
  CHECK(hand.value(max_pool2d(x, 2, {.stride = 2, .ceil = true})) == Values{5, 6, 8, 9});
  CHECK(hand.value(max_pool2d(x, 2, {.dilation = 2})) == Values{9});
  CHECK(hand.value(max_pool2d(x, {1, 3}, {.padding = {0, 2, 0, 0}})) == Values{1, 2, 3, 4, 5, 6, 7, 8, 9});
  const Var negative = hand.input({1, 1, 1, 2}, {-3, -5});
  CHECK(hand.value(max_pool2d(negative, {1, 2}, {.padding = {0, 1, 0, 1}})) == Values{-3, -3, -5});  // padding is not 0
}

TEST_CASE("max_pool2d: the gradient goes to the first of equal elements, row by row, and to NaN before all others") {
  const double nan = std::nan("");
  const auto gradient = [&](const Shape& sample, const Values& values, Pair window) {
    ByHand hand;
    const Var x = hand.input(sample, values);
    const Values slow = hand.run(max_pool2d(x, window)).gradients.at(x.id());
    CHECK(hand.run<float>(max_pool2d(x, window)).gradients.at(x.id()) == slow);
    return slow;
  };
  CHECK(gradient({1, 1, 2, 2}, {7, 7, 7, 7}, 2) == Values{1, 0, 0, 0});
  CHECK(gradient({1, 1, 2, 2}, {1, 7, 7, 2}, 2) == Values{0, 1, 0, 0});
  CHECK(gradient({1, 1, 2, 3}, {1, 7, 7, 7, 7, 2}, 2) == Values{0, 2, 0, 0, 0, 0});
  CHECK(gradient({1, 1, 2, 2}, {9, 1, nan, nan}, 2) == Values{0, 0, 1, 0});
  ByHand hand;
  const Var x = hand.input({1, 1, 1, 3}, {9, nan, 1});
  const Values y = hand.value<float>(max_pool2d(x, {1, 2}));
  CHECK(std::isnan(y[0]));
  CHECK(std::isnan(y[1]));
}

TEST_CASE("average_pool2d: values by hand, with and without the padding") {
  ByHand hand;
  const Var x = hand.input({1, 1, 3, 3}, nine);
  CHECK(hand.value(average_pool2d(x, 2)) == Values{3, 4, 6, 7});
  CHECK(hand.value(average_pool2d(x, 2, {.stride = 2, .padding = {1, 1, 0, 0}})) == Values{1, 2.5, 5.5, 7});
  CHECK(hand.value(average_pool2d(x, 2, {.stride = 2, .padding = {1, 1, 0, 0}, .count_padding = true})) ==
        Values{0.25, 1.25, 2.75, 7});
  // With ceil the last windows hang over the image: what lies beyond the padding is never counted.
  CHECK(hand.value(average_pool2d(x, 2, {.stride = 2, .ceil = true, .count_padding = true})) == Values{3, 4.5, 7.5, 9});
  CHECK(hand.value(average_pool2d(x, 2, {.stride = 2, .padding = {0, 0, 1, 1}, .ceil = true, .count_padding = true})) ==
        Values{3, 2.25, 3.75, 2.25});
}

TEST_CASE("pooling with ceil: windows start on the image or on the padding before it") {
  Tape tape;
  const Var x = tape.input("x", {1, 1, 5});
  const auto columns = [&](Pair window, PoolOptions options) {
    options.ceil = true;
    return max_pool2d(x, window, options).shape()[3];
  };
  CHECK(columns({1, 2}, {.stride = 2}) == 3);
  CHECK(columns({1, 2}, {.stride = {1, 4}}) == 2);
  CHECK(columns({1, 1}, {.stride = {1, 5}}) == 1);  // a second one would start at 5
  CHECK(columns({1, 3}, {.stride = {1, 3}, .padding = {0, 1, 0, 1}}) == 2);
  CHECK(columns({1, 2}, {.stride = {1, 6}, .padding = {0, 1, 0, 0}}) == 1);  // 1 + 5 - 2 < 6, and a second would start at 5
}

TEST_CASE("global pooling: of any size and rank") {
  ByHand hand(2);
  const Var x = hand.input({1, 2, 2, 2}, {1, 2, 3, 6, 4, 4, 4, 8, -1, -2, -3, -6, 0, 0, 0, 1});
  const Var line = hand.input({1, 1, 3}, {1, 2, 6, 0, 0, 3});
  CHECK(hand.value(global_average_pool(x)) == Values{3, 5, -3, 0.25});
  CHECK(hand.value(global_max_pool(x)) == Values{6, 8, -1, 1});
  CHECK(global_average_pool(x).shape() == Shape{1, 2, 1, 1});
  CHECK(hand.value(global_average_pool(line)) == Values{3, 1});
  CHECK(global_max_pool(line).shape() == Shape{1, 1, 1});
  CHECK_THROWS_WITH_AS(global_average_pool(hand.input({1, 3}, counted(6))),
                       "global_average_pool: x is [N, 3], expected [N, channels, places...] with the batch first", Error);
}

TEST_CASE("pooling: what does not fit is refused") {
  CHECK(pool_refusal({{1, 3, 8}, 0}, 2) ==
        "node 'pool': average_pool2d: x is [N, 3, 8], expected [N, channels, rows, columns] with the batch first");
  CHECK(pool_refusal({{3, 1, 8, 8}, 1}, 2, {}, false) ==
        "node 'pool': max_pool2d: x is [3, N, 8, 8], expected [N, channels, rows, columns] with the batch first");
  CHECK(pool_refusal({{1, 3, 2, 8}, 0}, 3) ==
        "node 'pool': average_pool2d: a window of 3 rows does not fit into 2 with padding 0 + 0");
  CHECK(pool_refusal({{1, 3, 8, 8}, 0}, {2, 0}) ==
        "node 'pool': average_pool2d: 0 taps, stride 1, dilation 1 along the columns; expected 1 or more each");
  CHECK(
      pool_refusal({{1, 3, 8, 8}, 0}, 2, {.padding = 2}, false) ==
      "node 'pool': max_pool2d: a window of 2 taps, dilation 1, would see padding only, which is 2 before and 2 after the 8 rows");
  CHECK(pool_refusal({{1, 3, 8, 8}, 0}, 2, {.padding = {0, 0, 0, 2}}, false) ==
        "node 'pool': max_pool2d: a window of 2 taps, dilation 1, would see padding only, which is 0 before and 2 after the 8 "
        "columns");
  CHECK(pool_refusal({{1, 3, 1, 8}, 0}, 2, {.padding = {1, 0, 2, 0}, .dilation = {2, 1}}) ==
        "node 'pool': average_pool2d: a window of 2 taps, dilation 2, would see padding only, which is 1 before and 2 after the 1 "
        "rows");
  CHECK(pool_refusal({{1, 3, 8, 8}, 0}, 2, {.count_padding = true}, false) ==
        "node 'pool': max_pool2d: count_padding is for averages; a maximum never sees the padding");
}

}  // namespace safer::test
