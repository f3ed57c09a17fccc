#include "engine/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/kernels/dispatch.h"
#include "engine/random_fill_loops.h"

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

#if defined(__x86_64__)
extern const RandomFill avx2_fill;
#endif

namespace {

constinit const RandomFill baseline_fill{"baseline", &fill_uniform, &fill_normal, &choose};

const RandomFill& active_fill() {
  static const RandomFill& best = *random_fills().front();
  return best;
}

/// out[i] = element first + i
void fill(FillKernel* kernel, std::uint64_t key, std::uint64_t sample, std::uint64_t first, std::span<float> out) {
  if (const std::size_t skipped = first % 4; skipped > 0) {
    std::array<float, 4> block;
    kernel(block.data(), key, sample, first / 4, block.size());
    const std::size_t count = std::min(block.size() - skipped, out.size());
    std::copy_n(block.data() + skipped, count, out.data());
    first += count;
    out = out.subspan(count);
  }
  if (!out.empty()) kernel(out.data(), key, sample, first / 4, out.size());
}

}  // namespace

std::span<const RandomFill* const> random_fills() {
#if defined(__x86_64__)
  // As everywhere, SAFER_ISA=sse2 keeps what is newer from running.
  static const RandomFill* const all[] = {&avx2_fill, &baseline_fill};
  const bool newer = __builtin_cpu_supports("avx2") && kernels::active().name != "sse2";
#else
  static const RandomFill* const all[] = {&baseline_fill};
  const bool newer = true;
#endif
  return std::span(all).subspan(newer ? 0 : 1);
}

float RandomField::uniform(std::uint64_t sample, std::uint64_t element) const {
  return to_unit(philox(key_, sample, element / 4)[element % 4]);
}

void RandomField::uniform(std::uint64_t sample, std::uint64_t first, std::span<float> out) const {
  fill(active_fill().uniform, key_, sample, first, out);
}

void RandomField::normal(std::uint64_t sample, std::uint64_t first, std::span<float> out) const {
  fill(active_fill().normal, key_, sample, first, out);
}

void choose(std::span<float> u, float p, std::span<const float> values, std::span<float> to) {
  active_fill().choose(u.data(), p, values.data(), to.data(), to.size());
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
