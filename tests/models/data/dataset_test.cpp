#include "models/data/dataset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "engine/error.h"

using namespace safer;

namespace {

/// Sample i of n is [10 i, 10 i + 1, 10 i + 2] with label i.
Dataset counting(std::int64_t n) {
  Dataset data{"counting", Tensor(DType::f32, {n, 3, 1}), {}, static_cast<int>(n)};
  const auto values = data.inputs.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(10 * (i / 3) + i % 3);
  for (std::int64_t i = 0; i < n; ++i) data.labels.push_back(i);
  return data;
}

std::vector<float> values_of(const Dataset& data) {
  const auto values = data.inputs.values<float>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("dataset: size and the shape of a sample") {
  CHECK(counting(4).size() == 4);
  CHECK(counting(4).sample_shape() == Shape{3, 1});
  CHECK(Dataset{}.size() == 0);
  CHECK(Dataset{}.sample_shape() == Shape{});
}

TEST_CASE("dataset: slice") {
  const Dataset data = counting(5), part = data.slice(1, 3);
  CHECK(part.name == "counting");
  CHECK(part.classes == 5);
  CHECK(part.inputs.shape() == Shape{2, 3, 1});
  CHECK(values_of(part) == std::vector<float>{10, 11, 12, 20, 21, 22});
  CHECK(part.labels == std::vector<std::int64_t>{1, 2});
  CHECK(values_of(data.slice(0, 5)) == values_of(data));
  CHECK(data.slice(5, 5).size() == 0);
  CHECK(data.slice(5, 5).inputs.shape() == Shape{0, 3, 1});
  CHECK_THROWS_WITH_AS(data.slice(3, 6), "counting: samples 3 to 6 are out of range, there are 5", Error);
  CHECK_THROWS_WITH_AS(data.slice(-1, 2), "counting: samples -1 to 2 are out of range, there are 5", Error);
  CHECK_THROWS_WITH_AS(data.slice(3, 2), "counting: samples 3 to 2 are out of range, there are 5", Error);
}

TEST_CASE("dataset: select takes samples in the order asked for, also twice") {
  Dataset data = counting(3);
  const std::vector<std::int64_t> indices = {2, 0, 2};
  CHECK(values_of(data.select(indices)) == std::vector<float>{20, 21, 22, 0, 1, 2, 20, 21, 22});
  CHECK(data.select(indices).labels == indices);
  data.labels.clear();
  CHECK(data.select(indices).labels.empty());
  for (const std::int64_t index : {-1, 3}) {
    const std::vector<std::int64_t> bad = {0, index};
    CHECK_THROWS_WITH_AS(data.select(bad), fmt::format("counting: sample {} is out of range, there are 3", index).c_str(), Error);
  }
}

TEST_CASE("dataset: a subset is increasing, without repeats, and a function of the seed") {
  const std::vector<std::int64_t> chosen = choose(1000, {.samples = 100, .seed = 3});
  CHECK(chosen.size() == 100);
  CHECK(std::ranges::is_sorted(chosen));
  CHECK(std::set<std::int64_t>(chosen.begin(), chosen.end()).size() == 100);
  CHECK(chosen.front() >= 0);
  CHECK(chosen.back() < 1000);
  CHECK(chosen == choose(1000, {.samples = 100, .seed = 3}));
  CHECK(chosen != choose(1000, {.samples = 100, .seed = 4}));
  for (const std::int64_t all : {0, 5, 6}) CHECK(choose(5, {.samples = all}) == std::vector<std::int64_t>{0, 1, 2, 3, 4});
}

TEST_CASE("dataset: every index is chosen equally often") {
  constexpr int draws = 2000;
  std::vector<int> counts(10);
  for (std::uint64_t seed = 0; seed < draws; ++seed)
    for (const std::int64_t index : choose(10, {.samples = 3, .seed = seed})) ++counts[static_cast<std::size_t>(index)];
  // Binomial with p = 0.3: standard deviation 20.5, so five of them.
  for (const int count : counts) CHECK(std::abs(count - 0.3 * draws) < 103);
}
