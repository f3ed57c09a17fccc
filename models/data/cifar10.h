#pragma once

#include <filesystem>

#include "models/data/dataset.h"
#include "models/data/pixels.h"

namespace safer {

/// CIFAR-10 in its binary version: `folder` holds data_batch_1.bin to data_batch_5.bin (training) or test_batch.bin, each 10000
/// records of a label byte and 3072 pixel bytes (red, green, blue plane). Inputs [n, 3, 32, 32] are pixels 0..255, scaled
/// by `pixels`. With `subset.samples`, only those images are kept. Throws Error when a file is missing, has another size or a label
/// above 9.
Dataset load_cifar10(const std::filesystem::path& folder, bool test, const Subset& subset = {}, const PixelScaling& pixels = {});

}  // namespace safer
