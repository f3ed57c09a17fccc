#include "engine/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "engine/random_fill.h"

using namespace safer;

TEST_CASE("random: philox gives the published known answers") {
  // Random123's kat_vectors for philox4x32 with 10 rounds.
  CHECK(philox(0, 0, 0) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint64_t ones = ~std::uint64_t{0};
  CHECK(philox(ones, ones, ones) == std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a field is a function of key, sample and element") {
  const RandomField field(42);
  std::vector<float> whole(23), part(9);
  field.uniform(5, 0, whole);
  field.uniform(5, 7, part);
  for (std::size_t i = 0; i < part.size(); ++i) CHECK(part[i] == whole[i + 7]);
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(field.uniform(5, i) == whole[i]);
  CHECK(field.uniform(6, 0) != whole[0]);
  CHECK(RandomField(43).uniform(5, 0) != whole[0]);
}

TEST_CASE("random: long and short requests of a field give the same numbers") {
  const RandomField field(9);
  std::vector<float> uniform(300), normal(300);
  field.uniform(3, 0, uniform);
  field.normal(3, 0, normal);
  for (std::size_t first : {0u, 1u, 4u, 63u, 64u, 130u})
    for (std::size_t size : {0u, 1u, 2u, 63u, 64u, 65u, 129u}) {
      std::vector<float> some(size);
      field.uniform(3, first, some);
      CHECK(std::equal(some.begin(), some.end(), uniform.begin() + static_cast<std::ptrdiff_t>(first)));
      field.normal(3, first, some);
      CHECK(std::equal(some.begin(), some.end(), normal.begin() + static_cast<std::ptrdiff_t>(first)));
    }
}

TEST_CASE("random: every instruction set makes the same bits, those of the plain blocks") {
  REQUIRE(!random_fills().empty());
  MESSAGE(random_fills().size(), " of them run here, the best: ", random_fills().front()->name);
  const RandomFill& plain = *random_fills().back();
  constexpr std::size_t most = 700;  // more than are made in one go, and what is left over
  const auto bits = [](FillKernel* kernel, std::uint64_t key, std::uint64_t sample, std::uint64_t block, std::size_t count) {
    std::array<float, most> made{};
    kernel(made.data(), key, sample, block, count);
    return std::bit_cast<std::array<std::uint32_t, most>>(made);
  };
  // Counters that carry into their high words, and keys and samples with all of their bits in use.
  Random random(13);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t key = random.bits(), sample = random.bits() >> (round % 64), near_carry = 0xFFFFFFF8;
    const std::uint64_t block = round % 2 == 0 ? random.bits() >> (round % 48) : near_carry + random.below(16);
    const std::size_t count = round % 3 == 0 ? 1 + random.below(most) : 1 + random.below(80);
    std::array<float, most> expected{};
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t word = philox(key, sample, block + i / 4)[i % 4];
      expected[i] = static_cast<float>(word >> 8) * 0x1p-24f;
    }
    const auto normal = bits(plain.normal, key, sample, block, count);
    for (const RandomFill* fill : random_fills()) {
      CAPTURE(fill->name);
      REQUIRE(bits(fill->uniform, key, sample, block, count) == std::bit_cast<std::array<std::uint32_t, most>>(expected));
      REQUIRE(bits(fill->normal, key, sample, block, count) == normal);
    }
  }
}

TEST_CASE("random: choosing takes what lies below p, and leaves uniform numbers") {
  constexpr std::size_t count = 20011;
  std::vector<float> values(count);
  RandomField(5).normal(0, 0, values);
  for (const float p : {0.0f, 0.1f, 0.5f, 0.97f, 1.0f}) {
    CAPTURE(p);
    std::vector<float> before(count);
    RandomField(17).uniform(0, 0, before);
    before[0] = p < 1 ? p : 0;  // not below it
    for (const RandomFill* fill : random_fills()) {
      CAPTURE(fill->name);
      std::vector<float> u = before, to(count);
      fill->choose(u.data(), p, values.data(), to.data(), count);
      bool right = true, stretched = true;
      double sum = 0, squares = 0, with_choice = 0, chosen = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const bool hit = before[i] < p;
        right = right && to[i] == (hit ? values[i] : 0);
        const double expected = hit ? before[i] / double{p} : (before[i] - double{p}) / (1 - double{p});
        stretched = stretched && std::abs(u[i] - expected) < 1e-6 && u[i] >= 0;
        sum += u[i], squares += double{u[i]} * u[i];
        with_choice += hit ? double{u[i]} : 0, chosen += hit;
      }
      CHECK(right);
      CHECK(stretched);
      CHECK(sum / count == doctest::Approx(0.5).epsilon(0.02));
      CHECK(squares / count == doctest::Approx(1 / 3.0).epsilon(0.03));
      CHECK(chosen / count == doctest::Approx(p).epsilon(0.05));
      if (chosen > 0) CHECK(with_choice / chosen == doctest::Approx(0.5).epsilon(0.05));
      if (fill == random_fills().front()) {
        std::vector<float> again = before, active(count);
        choose(again, p, values, active);
        CHECK(again == u);
        CHECK(active == to);
      } else {
        std::vector<float> best = before, of_best(count);
        choose(best, p, values, of_best);
        CHECK(std::equal(u.begin(), u.end(), best.begin(),
                         [](float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }));
      }
    }
  }
}

TEST_CASE("random: normal numbers never change, to the last bit") {
  // Databases of measurements are continued by later versions of the program.
  std::vector<float> normal(100000);
  RandomField(11).normal(2, 1, normal);
  std::uint64_t digest = 0;
  for (const float z : normal) digest = mix(digest, std::bit_cast<std::uint32_t>(z));
  CHECK(digest == 0x1195E3FB1EBB8F34);
}

TEST_CASE("random: a field's normal numbers are Box and Muller's transform of its words") {
  constexpr std::size_t count = 200000;
  std::vector<float> normal(count);
  RandomField(11).normal(2, 0, normal);
  double worst = 0, sum = 0, squares = 0, fourths = 0;
  for (std::size_t i = 0; i < count; i += 4) {
    const auto words = philox(11, 2, i / 4);
    for (std::size_t pair : {0u, 2u}) {
      const double u = (static_cast<double>(words[pair] >> 1) + 0.5) * 0x1p-31;
      const double radius = std::sqrt(-2 * std::log(u)), angle = 2 * std::acos(-1.0) * (words[pair + 1] >> 8) * 0x1p-24;
      worst = std::max(worst, std::abs(normal[i + pair] - radius * std::cos(angle)));
      worst = std::max(worst, std::abs(normal[i + pair + 1] - radius * std::sin(angle)));
    }
  }
  // A few roundings of numbers up to the largest, 6.7; near u = 1 the rounding of u itself shows: sqrt(2 * 2^-25).
  CHECK(worst < 2.5e-4);
  for (const double z : normal) {
    sum += z;
    squares += z * z;
    fourths += z * z * z * z;
  }
  const double n = count;
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(fourths / n - 3) < 5 * std::sqrt(96 / n));
}

TEST_CASE("random: uniform and normal numbers have the right moments") {
  constexpr int count = 200000;
  Random random(7);
  double sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    const double u = random.uniform();
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u;
  }
  CHECK(std::abs(sum / count - 0.5) < 5 * std::sqrt(1.0 / 12 / count));
  sum = 0;
  for (int i = 0; i < count; ++i) {
    const double z = random.normal();
    sum += z;
    squares += z * z;
  }
  CHECK(std::abs(sum / count) < 5 / std::sqrt(count));
  CHECK(std::abs(squares / count - 1) < 5 * std::sqrt(2.0 / count));
}

TEST_CASE("random: bounded numbers and shuffles cover their range evenly") {
  Random random(1);
  std::vector<int> hits(7, 0);
  constexpr int count = 70000;
  for (int i = 0; i < count; ++i) ++hits[random.below(7)];
  for (const int hit : hits) CHECK(std::abs(hit - count / 7) < 5 * std::sqrt(count / 7.0));
  CHECK(random.below(1) == 0);

  std::vector<int> items(100);
  std::iota(items.begin(), items.end(), 0);
  std::vector<int> shuffled = items;
  Random(3).shuffle(std::span<int>(shuffled));
  CHECK(shuffled != items);
  std::vector<int> again = items;
  Random(3).shuffle(std::span<int>(again));
  CHECK(again == shuffled);
  std::ranges::sort(shuffled);
  CHECK(shuffled == items);
}

TEST_CASE("random: a hash depends on the whole name") {
  CHECK(hash("") == 0xCBF29CE484222325);
  CHECK(hash("a") == 0xAF63DC4C8601EC8C);  // FNV-1a's published value
  CHECK(hash("layers.0") != hash("layers.1"));
  CHECK(mix(1, 2) != mix(2, 1));
}
