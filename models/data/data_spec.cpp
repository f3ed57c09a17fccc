#include "models/data/data_spec.h"

#include <array>
#include <string>

#include "engine/error.h"
#include "models/data/cifar10.h"
#include "models/data/moons.h"
#include "models/data/npy_data.h"
#include "models/spec.h"

namespace safer {
namespace {

MoonsData parse_moons(std::string_view text, std::string_view options) {
  constexpr std::array<std::string_view, 3> keys = {"n", "noise", "seed"};
  const SpecOptions given(fmt::format("data '{}'", text), options, keys);
  MoonsData moons;
  moons.n = given.number<std::int64_t>("n", "a number of points");
  moons.noise = given.number<double>("noise", "a standard deviation").value_or(moons.noise);
  moons.seed = given.number<std::uint64_t>("seed", "a number from 0 to 2^64-1").value_or(moons.seed);
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

Dataset load(const MoonsData& moons, Split purpose, const Subset& subset, const PixelScaling&) {
  if (!moons.n) return make_moons(subset.samples > 0 ? subset.samples : usual_size(purpose), moons.noise, moons.seed, purpose);
  return at_most(make_moons(*moons.n, moons.noise, moons.seed, purpose), subset);
}

Dataset load(const Cifar10Data& cifar10, Split purpose, const Subset& subset, const PixelScaling& pixels) {
  if (cifar10.split == Split::test && purpose != Split::test)
    throw Error("data 'cifar10:{0}:test': test images are not for {1}; write cifar10:{0} and each purpose gets its own images",
                cifar10.folder.string(), purpose == Split::training ? "training" : "calibration");
  return load_cifar10(cifar10.folder, cifar10.split.value_or(purpose) == Split::test, subset, pixels);
}

Dataset load(const NpyData& npy, Split, const Subset& subset, const PixelScaling&) {
  return at_most(load_npy_data(npy.inputs, npy.labels), subset);
}

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

Dataset load_data(std::string_view text, Split purpose, const Subset& subset, const PixelScaling& pixels) {
  return std::visit([&](const auto& spec) { return load(spec, purpose, subset, pixels); }, parse_data(text));
}

}  // namespace safer
