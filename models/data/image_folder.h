#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "models/data/dataset.h"
#include "models/data/photo.h"
#include "models/data/pixels.h"

namespace safer {

/// The JPEG and PNG files in a folder, or else in the folders in it, sorted by name. Names that begin with a dot do not count.
struct ImageFolder {
  std::filesystem::path folder;
  std::vector<std::filesystem::path> files;
  std::vector<std::int64_t> labels;  // one a file, or empty where none are known
};

/// Lists what is in `folder`. Labels come from the first of these that there is:
///   a file      `labels`, with a line NAME,LABEL or NAME<tab>LABEL for each image; the name is that below `folder`, with '/', and
///   the
///               label a number; a first line with another label is a title
///   folders     in which the images lie: the number that each of their names begins with (12, 12_tench), or, where not all do,
///   their
///               place in alphabetical order, as torchvision counts
///   file names  the number that each begins with, followed by '_': 012_tench.jpg
/// Throws Error when there are no images, or images beside folders of images, and for a labels file that cannot be read or misses
/// an image.
ImageFolder list_images(const std::filesystem::path& folder, const std::optional<std::filesystem::path>& labels = std::nullopt);

/// The chosen images, decoded in parallel when they are read, fitted into `size` and scaled. Throws Error for an image that cannot
/// be read and, where there is no crop to make them alike, for one of another size than the first.
DataSource image_source(const ImageFolder& images, const Subset& subset = {}, const PhotoSize& size = {},
                        const PixelScaling& pixels = {});

}  // namespace safer
