#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <variant>

#include "models/data/dataset.h"
#include "models/data/photo.h"
#include "models/data/pixels.h"

namespace safer {

/// What the DATA argument of a command may be.
constexpr std::string_view data_choices =
    "moons[:n=1000,noise=0.1,seed=0], cifar10:DIR[:train|test], images:DIR[:resize=256,crop=224,labels=FILE,pixels=imagenet], "
    "npy:INPUTS.npy[,LABELS.npy]";

struct MoonsData {
  std::optional<std::int64_t> n;  // without it as many as wanted, or 2000 for training, 256 for calibration, 1000 for tests
  double noise = 0.1;
  std::uint64_t seed = 0;
};
struct Cifar10Data {
  std::filesystem::path folder;
  std::optional<Split> split;  // training or test, without it what the purpose asks for
};
struct NpyData {
  std::filesystem::path inputs;
  std::optional<std::filesystem::path> labels;
};
struct ImagesData {
  std::filesystem::path folder;
  std::optional<std::filesystem::path> labels;
  // Without these, what the network usually reads.
  std::optional<std::int64_t> resize, crop;  // of the shorter side, of both; 0: "none"
  std::optional<PixelScaling> pixels;        // by its name, or "mean" and "std"
};
using DataSpec = std::variant<MoonsData, Cifar10Data, NpyData, ImagesData>;

/// Reads a DATA argument, without looking at any file. Throws Error when it is none.
DataSpec parse_data(std::string_view text);

/// The samples that a DATA argument stands for when they are used for `purpose`, at most `subset.samples` of them.
///   moons    three independent draws: no training or calibration point is a test point
///   cifar10  the training batches for training and calibration, the test batch for tests. With :train it is always the former;
///            :test is refused for training and calibration. Pixels are scaled by `pixels`: pass the network's
///   npy      the files as they are, whatever the purpose: give another file to test on
///   images   likewise, but where the folder holds train and val (or test), the former for training and calibration, the latter for
///            tests. Photos are fitted into `photos`: pass usual_photo_size() of the network's sample
/// Throws Error when the argument or what it names is not right.
Dataset load_data(std::string_view text, Split purpose, const Subset& subset = {}, const PixelScaling& pixels = {},
                  const PhotoSize& photos = {});
/// The same, but images are read when they are asked for.
DataSource open_data(std::string_view text, Split purpose, const Subset& subset = {}, const PixelScaling& pixels = {},
                     const PhotoSize& photos = {});

}  // namespace safer
