#include "engine/random.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace safer {

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low) {
  std::array<std::uint32_t, 4> c = {static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
                                    static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0], p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t z = a * 0x9E3779B97F4A7C15 + b + 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::uint64_t hash(std::string_view name) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return h;
}

namespace {
float to_unit(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }
}  // namespace

float RandomField::uniform(std::uint64_t sample, std::uint64_t element) const {
  return to_unit(philox(key_, sample, element / 4)[element % 4]);
}

void RandomField::uniform(std::uint64_t sample, std::uint64_t first, std::span<float> out) const {
  std::size_t i = 0;
  while (i < out.size()) {
    const std::uint64_t element = first + i;
    const auto words = philox(key_, sample, element / 4);
    for (std::uint64_t lane = element % 4; lane < 4 && i < out.size(); ++lane, ++i) out[i] = to_unit(words[lane]);
  }
}

std::uint64_t Random::bits() {
  if (left_ == 0) {
    block_ = philox(key_, 0, counter_++);
    left_ = 2;
  }
  --left_;
  const std::size_t at = left_ == 1 ? 0 : 2;
  return std::uint64_t{block_[at + 1]} << 32 | block_[at];
}

double Random::uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

double Random::normal() {
  if (std::exchange(has_spare_, false)) return spare_;
  const double radius = std::sqrt(-2 * std::log1p(-uniform())), angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

std::uint64_t Random::below(std::uint64_t bound) {
  // Lemire's multiply-and-shift; values in the biased fringe are drawn again.
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t fringe = (0 - bound) % bound;
  for (;;) {
    const Wide product = Wide{bits()} * bound;
    if (static_cast<std::uint64_t>(product) >= fringe) return static_cast<std::uint64_t>(product >> 64);
  }
}

}  // namespace safer
