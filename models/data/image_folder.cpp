#include "models/data/image_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <unordered_map>

#include "engine/error.h"
#include "engine/parallel.h"
#include "models/formats/file.h"
#include "models/formats/image.h"

namespace safer {
namespace {

namespace fs = std::filesystem;

using Files = std::vector<fs::path>;
using Labels = std::vector<std::int64_t>;

constexpr std::int64_t largest_label = std::numeric_limits<int>::max() - 1;

bool is_image(const fs::path& path) {
  constexpr std::array<std::string_view, 3> endings = {".jpg", ".jpeg", ".png"};
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return std::ranges::find(endings, ending) != endings.end();
}

/// What `folder` holds, sorted, without names that begin with a dot.
Files entries(const fs::path& folder) try {
  Files all;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (!entry.path().filename().string().starts_with('.')) all.push_back(entry.path());
  std::ranges::sort(all);
  return all;
} catch (const fs::filesystem_error& error) {
  throw Error("{}: cannot be listed: {}", folder.string(), error.code().message());
}

Files images_in(const fs::path& folder) {
  Files images = entries(folder);
  std::erase_if(images, [](const fs::path& path) { return !is_image(path) || fs::is_directory(path); });
  return images;
}

/// The number that a name begins with and what follows it; nothing where it does not, or the number is no label.
struct Numbered {
  std::int64_t number = 0;
  std::string_view rest;
};
std::optional<Numbered> leading_number(std::string_view name) {
  Numbered found;
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), found.number);
  if (failure != std::errc{} || found.number < 0 || found.number > largest_label) return std::nullopt;
  found.rest = name.substr(static_cast<std::size_t>(end - name.data()));
  return found;
}

/// The number that each of the names begins with, if there is one everywhere, and '_' or, where `alone`, nothing behind it.
Labels numbers_of(const Files& paths, bool alone) {
  Labels labels;
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    const std::optional<Numbered> found = leading_number(name);
    if (!found || !(found->rest.starts_with('_') || (alone && found->rest.empty()))) return {};
    labels.push_back(found->number);
  }
  return labels;
}

ImageFolder list_classes(const fs::path& folder, const Files& classes) {
  ImageFolder found{folder, {}, {}};
  Labels labels = numbers_of(classes, true);
  for (std::size_t c = 0; c < classes.size(); ++c)
    for (fs::path& image : images_in(classes[c])) {
      found.files.push_back(std::move(image));
      found.labels.push_back(labels.empty() ? static_cast<std::int64_t>(c) : labels[c]);
    }
  return found;
}

ImageFolder list_files(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error("{}: is not a folder; expected one of JPEG or PNG files", folder.string());
  Files classes = entries(folder);
  std::erase_if(classes, [](const fs::path& path) { return !fs::is_directory(path) || images_in(path).empty(); });
  Files files = images_in(folder);
  if (!files.empty() && !classes.empty())
    throw Error("{}: has images both in it ({}) and in folders in it ({}); expected one or the other", folder.string(),
                files.front().filename().string(), classes.front().filename().string());
  if (files.empty() && classes.empty())
    throw Error("{}: no file ends in .jpg, .jpeg or .png, neither in this folder nor in one in it", folder.string());
  if (files.empty()) return list_classes(folder, classes);
  Labels labels = numbers_of(files, false);
  return {folder, std::move(files), std::move(labels)};
}

/// A line of a labels file.
struct Labelled {
  std::string_view name;
  std::optional<std::int64_t> label;  // none: it is not a number of a class
};
Labelled parse_line(std::string_view line) {
  const std::size_t tab = line.rfind('\t'), at = tab == line.npos ? line.rfind(',') : tab;
  if (at == line.npos) return {};
  const std::optional<Numbered> found = leading_number(line.substr(at + 1));
  return {line.substr(0, at), found && found->rest.empty() ? std::optional(found->number) : std::nullopt};
}

using LabelTable = std::unordered_map<std::string, std::int64_t>;

LabelTable read_labels(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  LabelTable table;
  for (int number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto [name, label] = parse_line(line);
    if (!label && number == 1 && !name.empty()) continue;
    if (!label || name.empty())
      throw Error("{}: line {}: {}, expected NAME,LABEL or NAME<tab>LABEL with a label from 0 to {}", path.string(), number,
                  excerpt(line), largest_label);
    if (!table.emplace(name, *label).second) throw Error("{}: line {}: {} comes twice", path.string(), number, excerpt(name));
  }
  return table;
}

Labels labels_from(const fs::path& path, const ImageFolder& images) {
  const LabelTable table = read_labels(path);
  Labels labels;
  for (const fs::path& file : images.files) {
    const std::string name = file.lexically_relative(images.folder).generic_string();
    const auto found = table.find(name);
    if (found == table.end()) throw Error("{}: no line for the image {}", path.string(), excerpt(name));
    labels.push_back(found->second);
  }
  return labels;
}

/// What every image becomes, and the file that says so where there is no crop.
struct Fit {
  PhotoSize size;
  ImageExtent extent;
  fs::path first;
};

void read_fitted(const fs::path& file, const Fit& fit, std::span<float> planes) {
  const Tensor photo = read_image(file);
  const ImageExtent extent = fitted_extent({photo.shape()[0], photo.shape()[1]}, fit.size, file.string());
  if (extent != fit.extent)
    throw Error("{}: becomes {}x{} pixels, but {} {}x{}; give crop=N to make them alike", file.string(), extent.width,
                extent.height, fit.first.string(), fit.extent.width, fit.extent.height);
  fit_photo(photo, fit.size, file.string(), planes);
}

Tensor read_all(std::span<const fs::path> files, const Fit& fit, const PixelScaling& pixels) {
  const auto count = static_cast<std::int64_t>(files.size());
  Tensor inputs(DType::f32, {count, 3, fit.extent.height, fit.extent.width});
  const std::span<float> values = inputs.mutable_values<float>();
  const std::size_t sample = files.empty() ? 0 : values.size() / files.size();
  std::vector<std::string> failures(files.size());
  constexpr std::int64_t decoding = 1 << 20;  // elementary operations, more for most photos
  parallel_for(count, count * decoding, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    try {
      read_fitted(files[at], fit, values.subspan(at * sample, sample));
    } catch (const Error& error) {
      failures[at] = error.what();
    } catch (const std::exception& error) {
      failures[at] = fmt::format("{}: {}", files[at].string(), error.what());
    }
  });
  for (const std::string& failure : failures)
    if (!failure.empty()) throw Error("{}", failure);
  scale_pixels(inputs, pixels);
  return inputs;
}

}  // namespace

ImageFolder list_images(const fs::path& folder, const std::optional<fs::path>& labels) {
  ImageFolder images = list_files(folder);
  if (labels) images.labels = labels_from(*labels, images);
  return images;
}

DataSource image_source(const ImageFolder& images, const Subset& subset, const PhotoSize& size, const PixelScaling& pixels) {
  DataSource source{.name = fmt::format("images:{}", images.folder.string()), .size = 0, .labels = {}, .classes = 0, .read = {}};
  Files files;
  for (const std::int64_t index : choose(std::ssize(images.files), subset)) {
    const auto at = static_cast<std::size_t>(index);
    files.push_back(images.files[at]);
    if (!images.labels.empty()) source.labels.push_back(images.labels[at]);
  }
  source.size = std::ssize(files);
  if (!source.labels.empty()) source.classes = static_cast<int>(*std::ranges::max_element(images.labels)) + 1;
  Fit fit{size, size.crop, files.front()};
  if (size.crop == ImageExtent{}) fit.extent = fitted_extent(image_extent(files.front()), size, files.front().string());
  source.read = [files, fit, pixels](std::int64_t begin, std::int64_t end) {
    return read_all(std::span(files).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)), fit, pixels);
  };
  return source;
}

}  // namespace safer
