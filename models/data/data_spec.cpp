#include "models/data/data_spec.h"

#include <array>
#include <string>

#include "engine/error.h"
#include "models/data/cifar10.h"
#include "models/data/image_folder.h"
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

/// Splits off the options of an images argument: they begin at the first colon that a word and '=' follow, since a folder's name
/// may contain other colons.
std::string_view take_folder(std::string_view& rest) {
  for (std::size_t colon = rest.find(':'); colon != rest.npos; colon = rest.find(':', colon + 1)) {
    const std::size_t word = rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz", colon + 1);
    if (word == rest.npos || word == colon + 1 || rest[word] != '=') continue;
    const std::string_view folder = rest.substr(0, colon);
    rest.remove_prefix(colon + 1);
    return folder;
  }
  return std::exchange(rest, {});
}

std::optional<std::int64_t> photo_pixels(const SpecOptions& given, std::string_view key) {
  constexpr std::string_view expected = "a number of pixels from 1 to 100000, or none";
  if (given.text(key) == "none") return 0;
  const auto size = given.number<std::int64_t>(key, expected);
  if (size && (*size < 1 || *size > 100'000)) given.fail(key, *given.text(key), expected);
  return size;
}

/// One number for all channels or one for each, in pixels 0..255.
std::optional<std::array<float, 3>> channels(const SpecOptions& given, std::string_view key, float least) {
  const std::string expected = fmt::format("one number from {} or three, as in 124-116-104, for pixels 0 to 255", least);
  const std::vector<float> found = given.numbers<float>(key, expected);
  if (found.empty()) return std::nullopt;
  const bool valid = std::ranges::all_of(found, [least](float value) { return value >= least && value <= 1e6f; });
  if (!valid || (found.size() != 1 && found.size() != 3)) given.fail(key, *given.text(key), expected);
  return std::array{found.front(), found[found.size() / 2], found.back()};
}

std::optional<PixelScaling> parse_scaling(const SpecOptions& given) {
  const std::optional<std::string_view> name = given.text("pixels");
  const auto mean = channels(given, "mean", 0), deviation = channels(given, "std", 1e-3f);
  if (name && (mean || deviation)) given.fail("pixels", *name, "to stand without mean and std");
  if (mean || deviation) return PixelScaling{mean.value_or(raw_pixels.mean), deviation.value_or(raw_pixels.deviation)};
  if (!name) return std::nullopt;
  for (const NamedScaling& scaling : pixel_scalings)
    if (scaling.name == *name) return scaling.scaling;
  given.fail("pixels", *name, "raw, unit, symmetric or imagenet");
}

ImagesData parse_images(std::string_view text, std::string_view rest) {
  constexpr std::array<std::string_view, 6> keys = {"labels", "resize", "crop", "pixels", "mean", "std"};
  ImagesData images;
  images.folder = take_folder(rest);
  const SpecOptions given(fmt::format("data '{}'", text), rest, keys);
  if (images.folder.empty()) throw Error("data '{}': no folder, expected images:DIR[:KEY=VALUE,...]", text);
  if (const auto labels = given.text("labels")) images.labels = *labels;
  images.resize = photo_pixels(given, "resize");
  images.crop = photo_pixels(given, "crop");
  images.pixels = parse_scaling(given);
  return images;
}

Dataset at_most(Dataset data, const Subset& subset) {
  if (subset.samples <= 0 || subset.samples >= data.size()) return data;
  return data.select(choose(data.size(), subset));
}

std::int64_t usual_size(Split purpose) { return purpose == Split::training ? 2000 : purpose == Split::calibration ? 256 : 1000; }

/// What a source is opened for.
struct Wanted {
  Split purpose;
  const Subset& subset;
  const PixelScaling& pixels;
  const PhotoSize& photos;
};

DataSource open(const MoonsData& moons, const Wanted& wanted) {
  const std::int64_t usual = wanted.subset.samples > 0 ? wanted.subset.samples : usual_size(wanted.purpose);
  return source_of(at_most(make_moons(moons.n.value_or(usual), moons.noise, moons.seed, wanted.purpose), wanted.subset));
}

DataSource open(const Cifar10Data& cifar10, const Wanted& wanted) {
  if (cifar10.split == Split::test && wanted.purpose != Split::test)
    throw Error("data 'cifar10:{0}:test': test images are not for {1}; write cifar10:{0} and each purpose gets its own images",
                cifar10.folder.string(), wanted.purpose == Split::training ? "training" : "calibration");
  const bool test = cifar10.split.value_or(wanted.purpose) == Split::test;
  return source_of(load_cifar10(cifar10.folder, test, wanted.subset, wanted.pixels));
}

DataSource open(const NpyData& npy, const Wanted& wanted) {
  return source_of(at_most(load_npy_data(npy.inputs, npy.labels), wanted.subset));
}

/// The part of a folder that is meant for the purpose: all of it, or one of the folders train and val, or train and test, in it.
std::filesystem::path split_folder(const std::filesystem::path& folder, Split purpose) {
  const auto has = [&](const char* name) { return std::filesystem::is_directory(folder / name); };
  if (!has("train") || !(has("val") || has("test"))) return folder;
  return folder / (purpose != Split::test ? "train" : has("val") ? "val" : "test");
}

DataSource open(const ImagesData& images, const Wanted& wanted) {
  PhotoSize size = wanted.photos;
  if (images.resize) size.least = size.most = *images.resize;
  if (images.crop) size.crop = {*images.crop, *images.crop};
  return image_source(list_images(split_folder(images.folder, wanted.purpose), images.labels), wanted.subset, size,
                      images.pixels.value_or(wanted.pixels));
}

}  // namespace

DataSpec parse_data(std::string_view text) {
  std::string_view rest = text;
  const std::string_view kind = take_until(':', rest);
  if (kind == "moons") return parse_moons(text, rest);
  if (kind == "cifar10") return parse_cifar10(text, rest);
  if (kind == "npy") return parse_npy_data(text, rest);
  if (kind == "images") return parse_images(text, rest);
  throw Error("unknown data '{}'; choose one of: {}{}", text, data_choices,
              text.ends_with(".npy") ? fmt::format("; perhaps npy:{}", text) : "");
}

DataSource open_data(std::string_view text, Split purpose, const Subset& subset, const PixelScaling& pixels,
                     const PhotoSize& photos) {
  const Wanted wanted{purpose, subset, pixels, photos};
  return std::visit([&](const auto& spec) { return open(spec, wanted); }, parse_data(text));
}

Dataset load_data(std::string_view text, Split purpose, const Subset& subset, const PixelScaling& pixels, const PhotoSize& photos) {
  return open_data(text, purpose, subset, pixels, photos).load();
}

}  // namespace safer
