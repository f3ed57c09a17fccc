#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <variant>

#include "models/data/dataset.h"
#include "models/data/pixels.h"

namespace safer {

/// What the DATA argument of a command may be.
constexpr std::string_view data_choices = "moons[:n=1000,noise=0.1,seed=0], cifar10:DIR[:train|test], npy:INPUTS.npy[,LABELS.npy]";

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
using DataSpec = std::variant<MoonsData, Cifar10Data, NpyData>;

/// Reads a DATA argument, without looking at any file. Throws Error when it is none.
DataSpec parse_data(std::string_view text);

/// The samples that a DATA argument stands for when they are used for `purpose`, at most `subset.samples` of them.
///   moons    three independent draws: no training or calibration point is a test point
///   cifar10  the training batches for training and calibration, the test batch for tests. With :train it is always the former;
///            :test is refused for training and calibration. Pixels are scaled by `pixels`: pass the network's
///   npy      the files as they are, whatever the purpose: give another file to test on
/// Throws Error when the argument or what it names is not right.
Dataset load_data(std::string_view text, Split purpose, const Subset& subset = {}, const PixelScaling& pixels = {});

}  // namespace safer
