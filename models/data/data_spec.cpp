#include "models/data/data_spec.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/data/cifar10.h"
#include "models/data/moons.h"
#include "models/data/npy_data.h"

namespace safer {
namespace {

/// The text before the first `separator`, and removes both from `rest`.
std::string_view take_until(char separator, std::string_view& rest) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

template <class T>
T number(std::string_view text, std::string_view key, std::string_view value, std::string_view expected) {
  T result{};
  const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (failure != std::errc{} || end != value.data() + value.size())
    throw Error("data '{}': {} is '{}', expected {}", text, key, value, expected);
  return result;
}

MoonsData parse_moons(std::string_view text, std::string_view options) {
  MoonsData moons;
  std::vector<std::string_view> seen;
  while (!options.empty()) {
    std::string_view value = take_until(',', options);
    const std::string_view key = take_until('=', value);
    if (key == "n")
      moons.n = number<std::int64_t>(text, key, value, "a number of points");
    else if (key == "noise")
      moons.noise = number<double>(text, key, value, "a standard deviation");
    else if (key == "seed")
      moons.seed = number<std::uint64_t>(text, key, value, "a number from 0 to 2^64-1");
    else
      throw Error("data '{}': unknown option '{}'; choose one of: n, noise, seed", text, key);
    if (std::ranges::find(seen, key) != seen.end()) throw Error("data '{}': {} is given twice", text, key);
    seen.push_back(key);
  }
  return moons;
}

Cifar10Data parse_cifar10(std::string_view text, std::string_view rest) {
  Cifar10Data cifar10;
  // A folder's name may contain a colon, so only what can be a split is taken for one.
  for (const auto& [ending, split] : {std::pair{std::string_view(":train"), Split::training}, {":test", Split::test}})
    if (rest.ends_with(ending)) {
      cifar10.split = split;
      rest.remove_suffix(ending.size());
      break;
    }
  if (rest.empty()) throw Error("data '{}': no folder, expected cifar10:DIR[:train|test]", text);
  cifar10.folder = rest;
  return cifar10;
}

NpyData parse_npy_data(std::string_view text, std::string_view rest) {
  const bool labelled = rest.find(',') != rest.npos;
  NpyData npy;
  npy.inputs = take_until(',', rest);
  if (labelled) npy.labels = rest;
  if (npy.inputs.empty() || (labelled && rest.empty()) || rest.find(',') != rest.npos)
    throw Error("data '{}': expected npy:INPUTS.npy[,LABELS.npy], where the names contain no comma", text);
  return npy;
}

Dataset at_most(Dataset data, const Subset& subset) {
  if (subset.samples <= 0 || subset.samples >= data.size()) return data;
  return data.select(choose(data.size(), subset));
}

std::int64_t usual_size(Split purpose) { return purpose == Split::training ? 2000 : purpose == Split::calibration ? 256 : 1000; }

Dataset load(const MoonsData& moons, Split purpose, const Subset& subset) {
  if (!moons.n) return make_moons(subset.samples > 0 ? subset.samples : usual_size(purpose), moons.noise, moons.seed, purpose);
  return at_most(make_moons(*moons.n, moons.noise, moons.seed, purpose), subset);
}

Dataset load(const Cifar10Data& cifar10, Split purpose, const Subset& subset) {
  if (cifar10.split == Split::test && purpose != Split::test)
    throw Error("data 'cifar10:{0}:test': test images are not for {1}; write cifar10:{0} and each purpose gets its own images",
                cifar10.folder.string(), purpose == Split::training ? "training" : "calibration");
  return load_cifar10(cifar10.folder, cifar10.split.value_or(purpose) == Split::test, subset);
}

Dataset load(const NpyData& npy, Split, const Subset& subset) { return at_most(load_npy_data(npy.inputs, npy.labels), subset); }

}  // namespace

DataSpec parse_data(std::string_view text) {
  std::string_view rest = text;
  const std::string_view kind = take_until(':', rest);
  if (kind == "moons") return parse_moons(text, rest);
  if (kind == "cifar10") return parse_cifar10(text, rest);
  if (kind == "npy") return parse_npy_data(text, rest);
  throw Error("unknown data '{}'; choose one of: {}{}", text, data_choices,
              text.ends_with(".npy") ? fmt::format("; perhaps npy:{}", text) : "");
}

Dataset load_data(std::string_view text, Split purpose, const Subset& subset) {
  return std::visit([&](const auto& spec) { return load(spec, purpose, subset); }, parse_data(text));
}

}  // namespace safer
