#include "engine/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

namespace safer {

namespace {

struct Block {
  std::uint32_t w0, w1, w2, w3;
};

inline Block block(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low) {
  Block c{static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
          static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c.w0, p1 = std::uint64_t{0xCD9E8D57} * c.w2;
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c.w1 ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c.w3 ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low) {
  const Block c = block(key, counter_high, counter_low);
  return {c.w0, c.w1, c.w2, c.w3};
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

/// ln u for u in (0, 1]: u = m 2^e with m near 1, and ln m = 2 artanh((m - 1) / (m + 1)) by its series.
float logarithm(float u) {
  constexpr std::uint32_t root_of_half = 0x3f3504f3;
  const auto bits = std::bit_cast<std::uint32_t>(u);
  const std::int32_t e = static_cast<std::int32_t>(bits - root_of_half) >> 23;
  const float m = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(e) << 23));
  const float s = (m - 1) / (m + 1), s2 = s * s;
  const float series = 1 + s2 * (1 / 3.0f + s2 * (1 / 5.0f + s2 * (1 / 7.0f + s2 / 9)));
  return static_cast<float>(e) * std::numbers::ln2_v<float> + 2 * s * series;
}

/// Two normal numbers from two words (Box & Muller 1958). No branches and no calls, so that a loop over it becomes vectors.
void to_normal(std::uint32_t a, std::uint32_t b, float& x, float& y) {
  const float u = (static_cast<float>(static_cast<std::int32_t>(a >> 1)) + 0.5f) * 0x1p-31f;
  const float radius = std::sqrt(std::max(0.0f, -2 * logarithm(u)));
  // The angle is a number of 2^-24 turns. Folded into an eighth of a turn around a multiple of a quarter, short series do.
  const std::uint32_t turn = b >> 8, quarter = (turn + (1u << 21)) >> 22;
  const float t = static_cast<float>(static_cast<std::int32_t>(turn - (quarter << 22))) * (0x1p-23f * std::numbers::pi_v<float>);
  const float t2 = t * t;
  const float sine = t * (1 + t2 * (-1 / 6.0f + t2 * (1 / 120.0f + t2 * (-1 / 5040.0f + t2 / 362880))));
  const float cosine = 1 + t2 * (-1 / 2.0f + t2 * (1 / 24.0f + t2 * (-1 / 720.0f + t2 / 40320)));
  // An odd number of quarters swaps the two. Selecting by bits keeps branches out.
  const std::uint32_t swap = 0 - (quarter & 1), cosine_bits = std::bit_cast<std::uint32_t>(cosine),
                      other = (cosine_bits ^ std::bit_cast<std::uint32_t>(sine)) & swap;
  const std::uint32_t cosine_sign = ((quarter + 1) & 2) << 30, sine_sign = (quarter & 2) << 30;
  x = radius * std::bit_cast<float>(cosine_bits ^ other ^ cosine_sign);
  y = radius * std::bit_cast<float>(std::bit_cast<std::uint32_t>(sine) ^ other ^ sine_sign);
}

/// out[i] = element first + i, where convert(to, words, n) makes n elements, a multiple of 4, from as many words.
template <class Convert>
void fill(std::uint64_t key, std::uint64_t sample, std::uint64_t first, std::span<float> out, const Convert& convert) {
  constexpr std::size_t lanes = 16;  // enough for the compiler to make vectors of the counters
  std::array<std::uint32_t, 4 * lanes> words;
  std::size_t i = 0;
  while (i < out.size()) {
    const std::uint64_t element = first + i;
    if (element % 4 == 0 && out.size() - i >= words.size()) {
      for (std::size_t b = 0; b < lanes; ++b) {
        const Block c = block(key, sample, element / 4 + b);
        words[4 * b] = c.w0;
        words[4 * b + 1] = c.w1;
        words[4 * b + 2] = c.w2;
        words[4 * b + 3] = c.w3;
      }
      convert(out.data() + i, words.data(), words.size());
      i += words.size();
      continue;
    }
    std::array<float, 4> four;
    convert(four.data(), philox(key, sample, element / 4).data(), four.size());
    for (std::uint64_t lane = element % 4; lane < 4 && i < out.size(); ++lane, ++i) out[i] = four[lane];
  }
}

}  // namespace

float RandomField::uniform(std::uint64_t sample, std::uint64_t element) const {
  return to_unit(philox(key_, sample, element / 4)[element % 4]);
}

void RandomField::uniform(std::uint64_t sample, std::uint64_t first, std::span<float> out) const {
  fill(key_, sample, first, out, [](float* to, const std::uint32_t* words, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) to[i] = to_unit(words[i]);
  });
}

void RandomField::normal(std::uint64_t sample, std::uint64_t first, std::span<float> out) const {
  fill(key_, sample, first, out, [](float* to, const std::uint32_t* words, std::size_t n) {
    for (std::size_t i = 0; i < n; i += 2) to_normal(words[i], words[i + 1], to[i], to[i + 1]);
  });
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
